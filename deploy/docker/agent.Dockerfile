# The agent: one file on Node. Jobs run inside this container, with what this image has.
#
#   docker build -f deploy/docker/agent.Dockerfile -t signalbox/agent:dev .
#
# Needs BuildKit. A registry of your own: --secret id=npmrc,src=$HOME/.npmrc
ARG BASE_IMAGE=node:24.21.0-bookworm-slim

FROM ${BASE_IMAGE} AS manifests
WORKDIR /all
COPY . .
RUN mkdir /src && find . -name package.json -o -name package-lock.json | tar -c -T - | tar -x -C /src

# The same steps as in Dockerfile, so that a builder that has made one image has made most of the other.
FROM ${BASE_IMAGE} AS installer
WORKDIR /src
COPY --from=manifests /src ./
# Not `npm ci`: it refuses a lock file that leaves out the binaries of other systems. Versions are those of the lock file.
ENV INSTALL="npm install --no-save --omit=dev --ignore-scripts --no-audit --no-fund --include-workspace-root=false" \
    SERVICES="-w services/api -w services/scheduler -w services/dispatcher -w services/device-gateway -w services/audit"

FROM installer AS build
RUN --mount=type=cache,target=/root/.npm --mount=type=secret,id=npmrc,target=/root/.npmrc \
    $INSTALL $SERVICES -w apps/agent -w tools
COPY . .
RUN node tools/build.ts

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="signalbox-agent" \
      org.opencontainers.image.description="The agent of Signalbox: runs jobs inside its container" \
      org.opencontainers.image.licenses="Apache-2.0"
# tini reaps what steps leave behind in sessions of their own; Node does not know processes that it has not started.
RUN command -v tini || (apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*)
RUN mkdir -m 700 /var/lib/signalbox-agent && chown 1000:1000 /var/lib/signalbox-agent
COPY --from=build /src/dist/agent/signalbox-agent.mjs /app/
ENV HOME=/tmp \
    SIGNALBOX_STATE_DIR=/var/lib/signalbox-agent
VOLUME /var/lib/signalbox-agent
WORKDIR /tmp
USER 1000:1000
# SIGTERM drains: a running attempt may end within --drain (30 s). Give the container longer than that to stop.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "node", "--lite-mode", "/app/signalbox-agent.mjs"]
