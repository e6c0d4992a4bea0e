{{/* What API servers, workers and the bucket's job have in common. */}}

{{- define "imgen.tritonUrls" -}}
{{- $urls := .Values.externalTritons -}}
{{- range $name, $_ := .Values.tritons -}}
{{- $urls = append $urls (printf "dns:///%s-triton-%s:8001" (include "imgen.name" $) $name) -}}
{{- end -}}
{{- if not $urls }}{{ fail "tritons: name a pool, or externalTritons" }}{{ end -}}
{{- join "," $urls -}}
{{- end -}}

{{- define "imgen.plainHosts" -}}
{{- $name := include "imgen.name" . -}}
{{- $hosts := list -}}
{{- if .Values.acs.enabled }}{{ $hosts = append $hosts (printf "%s-acs" $name) }}{{ end -}}
{{- if .Values.redis.enabled }}{{ $hosts = append $hosts (printf "%s-redis" $name) }}{{ end -}}
{{- range $pool, $_ := .Values.tritons }}{{ $hosts = append $hosts (printf "%s-triton-%s" $name $pool) }}{{ end -}}
{{- with .Values.settings.plain_hosts }}{{ $hosts = append $hosts . }}{{ end -}}
{{- join "," $hosts -}}
{{- end -}}

{{/* (root, key, variable, optional) */}}
{{- define "imgen.fromSecret" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef: {name: {{ include "imgen.secret" .root }}, key: {{ .key }}, optional: {{ .optional | default false }}}
{{- end -}}

{{- define "imgen.s3" -}}
{{ include "imgen.fromSecret" (dict "root" . "variable" "AWS_ACCESS_KEY_ID" "key" "s3-access-key" "optional" true) }}
{{ include "imgen.fromSecret" (dict "root" . "variable" "AWS_SECRET_ACCESS_KEY" "key" "s3-secret-key" "optional" true) }}
- {name: IMGEN_S3_BUCKET, value: {{ required "s3.bucket: pictures need a bucket" .Values.s3.bucket | quote }}}
- {name: IMGEN_S3_ENDPOINT, value: {{ .Values.s3.endpoint | quote }}}
- {name: IMGEN_S3_REGION, value: {{ .Values.s3.region | quote }}}
- {name: IMGEN_S3_ADDRESSING, value: {{ .Values.s3.addressing | quote }}}
{{- end -}}

{{- define "imgen.environment" -}}
{{- $name := include "imgen.name" . -}}
{{ include "imgen.s3" . }}
- {name: IMGEN_S3_PUBLIC_ENDPOINT, value: {{ .Values.s3.publicEndpoint | quote }}}
- {name: IMGEN_S3_ENCRYPTION, value: {{ .Values.s3.encryption | quote }}}
{{- if .Values.redis.enabled }}
{{ include "imgen.fromSecret" (dict "root" . "variable" "REDIS_PASSWORD" "key" "redis-password") }}
- {name: IMGEN_REDIS_URL, value: "redis://:$(REDIS_PASSWORD)@{{ $name }}-redis:6379/0"}
{{- else }}
{{ include "imgen.fromSecret" (dict "root" . "variable" "IMGEN_REDIS_URL" "key" "redis-url") }}
{{- end }}
- {name: IMGEN_TRITON_URLS, value: {{ include "imgen.tritonUrls" . | quote }}}
{{- if .Values.tritonTls.client }}
- {name: IMGEN_TRITON_CA, value: /etc/imgen-triton/ca.pem}
- {name: IMGEN_TRITON_CERTIFICATE, value: /etc/imgen-triton/client.pem}
- {name: IMGEN_TRITON_KEY, value: /etc/imgen-triton/client.key}
{{- end }}
- {name: IMGEN_PLAIN_HOSTS, value: {{ include "imgen.plainHosts" . | quote }}}
{{ include "imgen.fromSecret" (dict "root" . "variable" "IMGEN_C2PA_KEY_PEM" "key" "c2pa-key" "optional" true) }}
{{ include "imgen.fromSecret" (dict "root" . "variable" "IMGEN_C2PA_SIGNER_TOKEN" "key" "c2pa-signer-token" "optional" true) }}
- {name: IMGEN_C2PA_CERTIFICATE, value: /etc/imgen/c2pa-certificate}
- {name: IMGEN_MARK_KEY, value: /etc/imgen/mark-key}
- {name: IMGEN_CATALOGUE_DIR, value: /catalogue}
- {name: IMGEN_PUBLIC_URL, value: {{ required "publicUrl: where clients reach the API" .Values.publicUrl | quote }}}
- {name: IMGEN_OPERATORS_ADDRESS, value: "0.0.0.0:8081"}
{{- range $setting, $value := omit .Values.settings "plain_hosts" }}
- {name: IMGEN_{{ upper $setting }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end -}}

{{/* What workers need not know. */}}
{{- define "imgen.apiEnvironment" -}}
- {name: IMGEN_ACS_URL, value: {{ .Values.acs.enabled | ternary (printf "http://%s-acs:9000" (include "imgen.name" .)) .Values.acs.url | quote }}}
{{ include "imgen.fromSecret" (dict "root" . "variable" "IMGEN_ACS_KEY" "key" "acs-key") }}
- {name: IMGEN_LLM_URL, value: {{ .Values.llm.url | quote }}}
- {name: IMGEN_LLM_MODEL, value: {{ .Values.llm.model | quote }}}
{{ include "imgen.fromSecret" (dict "root" . "variable" "IMGEN_LLM_KEY" "key" "llm-key" "optional" true) }}
- {name: IMGEN_TRUSTED_PROXIES, value: {{ join "," .Values.api.trustedProxies | quote }}}
{{- end -}}

{{- define "imgen.mounts" -}}
- {name: data, mountPath: /var/lib/imgen}
- {name: tmp, mountPath: /tmp}
- {name: keys, mountPath: /etc/imgen, readOnly: true}
- name: catalogue
  mountPath: /catalogue
  readOnly: true
  {{- with .Values.catalogue.path }}
  subPath: {{ . }}
  {{- end }}
{{- if .Values.tritonTls.client }}
- {name: triton-tls, mountPath: /etc/imgen-triton, readOnly: true}
{{- end }}
{{- end -}}

{{- define "imgen.volumes" -}}
# The cache's snapshots: a pod that starts without them reads the log in Redis.
- {name: data, emptyDir: {sizeLimit: 4Gi}}
- {name: tmp, emptyDir: {sizeLimit: 1Gi}}
- name: keys
  secret:
    secretName: {{ include "imgen.secret" . }}
    defaultMode: 0440
    items:
      - {key: mark-key, path: mark-key}
      - {key: c2pa-certificate, path: c2pa-certificate}
{{ include "imgen.volume" (dict "name" "catalogue" "of" .Values.catalogue "what" "catalogue") }}
{{- with .Values.tritonTls.client }}
- {name: triton-tls, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- end -}}
