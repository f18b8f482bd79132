{{- define "signalbox.name" -}}
{{- .Values.nameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- /* Labels that select the pods of one component. Takes (list $ "component"). */ -}}
{{- define "signalbox.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: signalbox
app.kubernetes.io/instance: {{ include "signalbox.name" $root }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "signalbox.labels" -}}
{{- $root := index . 0 -}}
{{ include "signalbox.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{- define "signalbox.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* The Secret of a concern: the one that was given, else ours. Takes (list $ "concern" "existing"). */ -}}
{{- define "signalbox.secret" -}}
{{- index . 2 | default (printf "%s-%s" (include "signalbox.name" (index . 0)) (index . 1)) -}}
{{- end }}

{{- /* A value of a Secret of ours that is in the cluster, else a new random one. Takes (list $ "secret" "key"). */ -}}
{{- define "signalbox.kept" -}}
{{- $root := index . 0 -}}
{{- $found := lookup "v1" "Secret" $root.Release.Namespace (index . 1) -}}
{{- $old := index (($found | default dict).data | default dict) (index . 2) -}}
{{- if $old }}{{ $old | b64dec }}{{ else }}{{ randAlphaNum 43 }}{{ end -}}
{{- end }}

{{- define "signalbox.usesNatsPasswords" -}}
{{- if or .Values.nats.bundled.enabled .Values.nats.existingSecret }}true{{ end -}}
{{- end }}

{{- define "signalbox.natsUrl" -}}
{{- if .Values.nats.bundled.enabled }}nats://{{ include "signalbox.name" . }}-nats:4222{{ else }}{{ .Values.nats.url }}{{ end -}}
{{- end }}

{{- define "signalbox.streamReplicas" -}}
{{- .Values.nats.streamReplicas | default (ternary .Values.nats.bundled.replicas 1 .Values.nats.bundled.enabled) -}}
{{- end }}

{{- /* The services: name, key of its values, variable of its port. */ -}}
{{- define "signalbox.services" -}}
api: { values: api, port: SIGNALBOX_API_PORT }
scheduler: { values: scheduler, port: SIGNALBOX_SCHEDULER_PORT }
dispatcher: { values: dispatcher, port: SIGNALBOX_DISPATCHER_PORT }
device-gateway: { values: deviceGateway, port: SIGNALBOX_GATEWAY_PORT }
audit: { values: audit, port: SIGNALBOX_AUDIT_PORT }
{{- end }}

{{- define "signalbox.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* Takes the uid. */ -}}
{{- define "signalbox.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- /* Where pods may run; replicas keep away from each other. Takes (list $ "component"). */ -}}
{{- define "signalbox.placement" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "signalbox.selector" . | nindent 8 }}
{{- end }}
