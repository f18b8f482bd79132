{{- /* The pod of one service. */ -}}
{{- define "signalbox.servicePod" -}}
{{- $root := .root -}}
serviceAccountName: {{ include "signalbox.name" $root }}-{{ .service }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
# Longer than the pause before SIGTERM and the 10 s in which a service drains.
terminationGracePeriodSeconds: 20
securityContext: {{- include "signalbox.podSecurity" 1000 | nindent 2 }}
{{ include "signalbox.placement" (list $root .service) }}
containers:
  - name: {{ .service }}
    image: {{ include "signalbox.image" $root | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: [{{ .service }}]
    securityContext: {{- include "signalbox.containerSecurity" $root | nindent 6 }}
    ports:
      - { name: http, containerPort: 4100, protocol: TCP }
    env:
      {{- include "signalbox.serviceEnv" . | nindent 6 }}
    # A connection that is on its way still finds the service while others learn that it ends.
    lifecycle: { preStop: { exec: { command: [sleep, '3'] } } }
    startupProbe:
      httpGet: { path: /health/live, port: http }
      periodSeconds: 2
      failureThreshold: 60
    livenessProbe:
      httpGet: { path: /health/live, port: http }
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: { path: /health/ready, port: http }
      periodSeconds: 5
      timeoutSeconds: 5
      failureThreshold: 2
    resources: {{- toYaml .values.resources | nindent 6 }}
    volumeMounts:
      - { name: secrets, mountPath: /run/secrets/signalbox, readOnly: true }
volumes:
  - name: secrets
    projected:
      defaultMode: 0440
      sources: {{- include "signalbox.serviceSecrets" . | nindent 8 }}
{{- end }}

{{- define "signalbox.serviceEnv" -}}
{{- $root := .root -}}
{{- $given := merge (deepCopy .values.settings) $root.Values.settings -}}
{{- $files := "/run/secrets/signalbox" -}}
- { name: {{ .is.port }}, value: '4100' }
- { name: DATABASE_URL_FILE, value: {{ $files }}/database-url }
- { name: NATS_URL, value: {{ include "signalbox.natsUrl" $root | quote }} }
{{- if include "signalbox.usesNatsPasswords" $root }}
- { name: SIGNALBOX_NATS_PASSWORD_FILE, value: {{ $files }}/nats-password }
{{- if eq .service "scheduler" }}
- { name: SIGNALBOX_RELAY_NATS_PASSWORD_FILE, value: {{ $files }}/relay-nats-password }
{{- end }}
{{- end }}
{{- if and (has .service (list "api" "device-gateway")) (not (hasKey $given "SIGNALBOX_TRUSTED_PROXIES")) }}
- { name: SIGNALBOX_TRUSTED_PROXIES, value: uniquelocal }
{{- end }}
{{- if and (eq .service "scheduler") (not (hasKey $given "SIGNALBOX_EVENTS_REPLICAS")) }}
- { name: SIGNALBOX_EVENTS_REPLICAS, value: {{ include "signalbox.streamReplicas" $root | quote }} }
{{- end }}
{{- if eq .service "api" }}
- { name: SIGNALBOX_BOOTSTRAP_ADMIN_KEY_FILE, value: {{ $files }}/admin-key }
{{- end }}
{{- if eq .service "audit" }}
- { name: SIGNALBOX_AUDIT_READER_PASSWORD_FILE, value: {{ $files }}/auditor-password }
{{- end }}
{{- range $variable, $value := $given }}
- { name: {{ $variable }}, value: {{ $value | quote }} }
{{- end }}
{{- end }}

{{- /* A service sees the secrets that it needs, and no others. */ -}}
{{- define "signalbox.serviceSecrets" -}}
{{- $root := .root -}}
- secret:
    name: {{ include "signalbox.secret" (list $root "database" $root.Values.database.existingSecret) }}
    items: [{ key: url, path: database-url }]
{{- if include "signalbox.usesNatsPasswords" $root }}
- secret:
    name: {{ include "signalbox.secret" (list $root "nats" $root.Values.nats.existingSecret) }}
    items:
      - { key: {{ .service }}, path: nats-password }
      {{- if eq .service "scheduler" }}
      - { key: relay, path: relay-nats-password }
      {{- end }}
{{- end }}
{{- if eq .service "api" }}
- secret:
    name: {{ include "signalbox.secret" (list $root "admin" $root.Values.adminKey.existingSecret) }}
    items: [{ key: key, path: admin-key }]
{{- end }}
{{- if eq .service "audit" }}
- secret:
    name: {{ include "signalbox.secret" (list $root "auditor" $root.Values.auditor.existingSecret) }}
    items: [{ key: password, path: auditor-password }]
{{- end }}
{{- end }}
