{{/* The port of a URL. */}}
{{- define "liveleaf.portOf" -}}
{{- $url := urlParse . -}}
{{- if regexMatch ":[0-9]+$" $url.host -}}
{{- regexFind "[0-9]+$" $url.host -}}
{{- else if eq $url.scheme "https" -}}443{{- else -}}80{{- end -}}
{{- end -}}

{{/* The host of a URL, without its port. */}}
{{- define "liveleaf.hostOf" -}}
{{- regexReplaceAll ":[0-9]+$" (urlParse .).host "" -}}
{{- end -}}

{{/* Without an address of its own the hub is reached through a forwarded port. */}}
{{- define "liveleaf.publicUrl" -}}
{{- .Values.config.publicUrl | default (printf "http://127.0.0.1:%d/" (int .Values.service.port)) -}}
{{- end -}}

{{- define "liveleaf.sessionUrl" -}}
{{- .Values.config.sessionUrl | default (printf "http://127.0.0.1:%d/" (int .Values.service.sessionPort)) -}}
{{- end -}}

{{/* What cannot be told from one value alone; each sentence says what to do. */}}
{{- define "liveleaf.check" -}}
{{- $config := .Values.config -}}
{{- $missing := list -}}
{{- if not .Values.image }}{{ $missing = append $missing "image" }}{{ end -}}
{{- if not $config.registry.url }}{{ $missing = append $missing "config.registry.url" }}{{ end -}}
{{- if not $config.kubernetes.baseImage }}{{ $missing = append $missing "config.kubernetes.baseImage" }}{{ end -}}
{{- if $missing -}}
{{- fail (printf "Set %s; the chart's README says to what." (join ", " $missing)) -}}
{{- end -}}
{{- if and $config.publicUrl (not $config.sessionUrl) -}}
{{- fail (printf "config.publicUrl is %s, so set config.sessionUrl too: a second hostname, or another port of the same." $config.publicUrl) -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.gateway.enabled) (not $config.publicUrl) -}}
{{- fail "Set config.publicUrl and config.sessionUrl: an ingress or a gateway routes by their hostnames." -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) -}}
{{- fail "Name the Gateway in gateway.parentRefs." -}}
{{- end -}}
{{- $namespaces := list .Release.Namespace $config.kubernetes.sessionNamespace $config.kubernetes.buildNamespace -}}
{{- if lt (len (uniq $namespaces)) 3 -}}
{{- fail (printf "The hub, its sessions and its builds need three namespaces, and these are %s." (join ", " $namespaces)) -}}
{{- end -}}
{{- if and .Values.inClusterRegistry.enabled .Values.registrySecret -}}
{{- fail "The registry in the cluster makes its own login; leave registrySecret empty." -}}
{{- end -}}
{{- end -}}

{{/* The hub's configuration: the values' own, and what the chart decides. */}}
{{- define "liveleaf.config" -}}
{{- $kubernetes := dict "serviceAccount" (include "liveleaf.sandboxAccount" .) -}}
{{- range $key, $name := dict "priorityClass" "liveleaf.priorityClass" "imagePullSecret" "liveleaf.pullSecret" "pushSecret" "liveleaf.pushSecret" -}}
{{- with include $name $ }}{{ $_ := set $kubernetes $key . }}{{ end -}}
{{- end -}}
{{- $registry := dict -}}
{{- if include "liveleaf.registrySecret" . }}{{ $_ := set $registry "credentialsFile" "/etc/liveleaf/registry/config.json" }}{{ end -}}
{{- if .Values.registryCa }}{{ $_ := set $registry "caFile" "/etc/liveleaf/registry-ca/ca.crt" }}{{ end -}}
{{- if .Values.inClusterRegistry.enabled }}{{ $_ := set $registry "allowHttp" true }}{{ end -}}
{{- $decided := dict
  "backend" "kubernetes"
  "host" "0.0.0.0"
  "allowRemote" true
  "port" 8585
  "stateDir" "/var/lib/liveleaf/state"
  "publicUrl" (include "liveleaf.publicUrl" .)
  "sessionUrl" (include "liveleaf.sessionUrl" .)
  "registry" $registry
  "kubernetes" $kubernetes -}}
{{- toYaml (mustMergeOverwrite (deepCopy .Values.config) $decided) -}}
{{- end -}}
