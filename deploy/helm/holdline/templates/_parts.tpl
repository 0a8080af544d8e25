{{- /* The name of everything: the release's, which no other release of the namespace has. */ -}}
{{- define "holdline.name" -}}
{{- if contains "holdline" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}{{ printf "%s-holdline" (.Release.Name | trunc 43 | trimSuffix "-") }}
{{- end }}
{{- end }}

{{- define "holdline.selector" -}}
app.kubernetes.io/name: holdline
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "holdline.labels" -}}
{{ include "holdline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* holdline's own container; beside a shop it is a native sidecar. */ -}}
{{- define "holdline.container" -}}
name: holdline
image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if .Values.app.containers }}
restartPolicy: Always
{{- end }}
args: ["run", "--config", "/etc/holdline/config.toml"]
{{- if .Values.metrics.expose }}
env:
  - name: HOLDLINE_ADMIN__LISTEN
    value: "0.0.0.0:9900"
{{- end }}
ports:
  {{- if not .Values.app.containers }}
  - name: http
    containerPort: {{ .Values.service.targetPort }}
  {{- end }}
  - name: metrics
    containerPort: 9900
startupProbe:
  exec:
    command: ["holdline", "healthcheck"]
  periodSeconds: 2
  timeoutSeconds: 3
  # Half an hour: the start reads the whole journal before it listens, and one that was ended half way would
  # begin anew.
  failureThreshold: 900
{{- if .Values.readiness }}
readinessProbe:
  exec:
    command: ["holdline", "healthcheck", "--url", "http://127.0.0.1:9900/readyz"]
  periodSeconds: 5
  timeoutSeconds: 3
{{- end }}
livenessProbe:
  exec:
    command: ["holdline", "healthcheck"]
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 6
resources: {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  capabilities:
    drop: ["ALL"]
volumeMounts:
  - name: config
    mountPath: /etc/holdline
    readOnly: true
  - name: journal
    mountPath: /var/lib/holdline
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
