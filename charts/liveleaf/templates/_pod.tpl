{{/* What Pod Security "restricted" asks of a pod, and of each container; the root is read-only too. */}}
{{- define "liveleaf.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "liveleaf.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* The hub's own container, seconds before it is killed: 5 until no new request comes, the drain, and 15 to end. */}}
{{- define "liveleaf.graceSeconds" -}}
{{- add 5 (div (add (int64 .Values.config.sessions.drainMs) 999) 1000) 15 -}}
{{- end -}}

{{/* Resources of a configuration's section as a pod writes them; takes {cpu, memory, ephemeralStorage}. */}}
{{- define "liveleaf.quantities" -}}
{{- $named := dict -}}
{{- range $key, $value := . }}{{ $_ := set $named (ternary "ephemeral-storage" $key (eq $key "ephemeralStorage")) $value }}{{ end -}}
{{- toYaml $named -}}
{{- end -}}
