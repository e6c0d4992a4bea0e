{{- define "imgen.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* (root, component) */}}
{{- define "imgen.selector" -}}
app.kubernetes.io/name: imgen
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
imgen/pool: {{ . }}
{{- end }}
{{- end -}}

{{/* (root, component, further: labels) */}}
{{- define "imgen.labels" -}}
{{ include "imgen.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "imgen.secret" -}}
{{- if .Values.secret.name -}}
{{ .Values.secret.name }}
{{- else if .Values.secret.external.store -}}
{{ include "imgen.name" . }}
{{- else -}}
{{ fail "secret.name: name the Secret that holds the keys, or an external store" }}
{{- end -}}
{{- end -}}

{{/* Of a pod: (root, component, user, group) */}}
{{- define "imgen.pod" -}}
serviceAccountName: {{ include "imgen.name" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .group }}
  fsGroup: {{ .group }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "imgen.selector" $ | nindent 8 }}
    matchLabelKeys: [{{ $.revision | default "pod-template-hash" }}]
  {{- end }}
{{- end -}}

{{- define "imgen.container" -}}
imagePullPolicy: IfNotPresent
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* (root, name, minimum: whether one is enough to be evicted) */}}
{{- define "imgen.disruption" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels: {{ include "imgen.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{ include "imgen.selector" . | nindent 6 }}
{{- end -}}

{{/* A volume: (name, of: {claim, image}, what) */}}
{{- define "imgen.volume" -}}
- name: {{ .name }}
  {{- if .of.claim }}
  persistentVolumeClaim: {claimName: {{ .of.claim }}, readOnly: true}
  {{- else if .of.image }}
  image: {reference: {{ .of.image | quote }}, pullPolicy: IfNotPresent}
  {{- else }}
  {{- fail (printf "%s: name a claim or an image" .what) }}
  {{- end }}
{{- end -}}

{{/* Seconds that the queue takes as it is: its depth by what all workers make a second. */}}
{{- define "imgen.waitingSeconds" -}}
{{- $of := .Values.scaling.selector | default (printf "namespace=%q" .Release.Namespace) -}}
max(imgen_jobs_waiting{ {{- $of -}} }) / clamp_min(sum(rate(imgen_attempts_total{outcome="made",{{ $of }}}[5m])), {{ .Values.scaling.leastThroughput }})
{{- end -}}

{{- define "imgen.working" -}}
{{- $of := .Values.scaling.selector | default (printf "namespace=%q" .Release.Namespace) -}}
sum(imgen_jobs_working{ {{- $of -}} })
{{- end -}}

{{/* (root, component, name, kind, min, max, jobs) */}}
{{- define "imgen.scaled" -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .name }}
  labels: {{ include "imgen.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: {{ .kind }}, name: {{ .name }}}
  minReplicaCount: {{ .min }}
  maxReplicaCount: {{ .max }}
  pollingInterval: 15
  # Where Prometheus does not answer, nothing is taken away.
  fallback: {failureThreshold: 4, replicas: {{ .min }}, behavior: currentReplicasIfHigher}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleUp:
          policies:
            - {type: Percent, value: 100, periodSeconds: 60}
            - {type: Pods, value: 2, periodSeconds: 60}
        scaleDown:
          stabilizationWindowSeconds: 600
          policies:
            - {type: Pods, value: 1, periodSeconds: 120}
  triggers:
    # As many times more as the wait is longer than it should be ...
    - type: prometheus
      name: waiting
      metricType: Value
      metadata:
        serverAddress: {{ .root.Values.scaling.prometheus | quote }}
        query: {{ include "imgen.waitingSeconds" .root | quote }}
        threshold: {{ .root.Values.scaling.waitingSeconds | quote }}
        ignoreNullValues: "false"
    # ... and no fewer than what is at work needs, when nothing waits.
    - type: prometheus
      name: working
      metricType: AverageValue
      metadata:
        serverAddress: {{ .root.Values.scaling.prometheus | quote }}
        query: {{ include "imgen.working" .root | quote }}
        threshold: {{ .jobs | quote }}
        ignoreNullValues: "false"
{{- end -}}

{{/* An egress rule: what is public, at the ports of the web. */}}
{{- define "imgen.internet" -}}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 224.0.0.0/3]
    - ipBlock:
        cidr: ::/0
        except: ["::/8", "fc00::/7", "fe80::/10", "ff00::/8"]
  ports: [{protocol: TCP, port: 80}, {protocol: TCP, port: 443}]
{{- end -}}
