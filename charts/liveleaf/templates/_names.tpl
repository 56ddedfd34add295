{{/* The name of everything that belongs to the hub; 40 characters leave room for what is put behind it. */}}
{{- define "liveleaf.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What pods of one part are found by; takes (list . "hub"). */}}
{{- define "liveleaf.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of everything of one part. */}}
{{- define "liveleaf.labels" -}}
{{- $root := index . 0 -}}
{{ include "liveleaf.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{/* Name, namespace and labels of an object; takes (list . "hub" name namespace). */}}
{{- define "liveleaf.metadata" -}}
name: {{ index . 2 }}
namespace: {{ index . 3 }}
labels: {{- include "liveleaf.labels" (list (index . 0) (index . 1)) | nindent 2 }}
{{- end -}}

{{/* The account of sessions and builds; its token is mounted nowhere. */}}
{{- define "liveleaf.sandboxAccount" -}}
{{- .Values.config.kubernetes.serviceAccount | default (printf "%s-sandbox" (include "liveleaf.name" .)) -}}
{{- end -}}

{{/* Cluster-wide, so the namespace is part of it. */}}
{{- define "liveleaf.priorityClass" -}}
{{- if .Values.config.kubernetes.priorityClass -}}
{{- .Values.config.kubernetes.priorityClass -}}
{{- else if .Values.priorityClass.create -}}
{{- printf "%s-%s-sessions" .Release.Namespace (include "liveleaf.name" .) -}}
{{- end -}}
{{- end -}}

{{- define "liveleaf.keysSecret" -}}
{{- .Values.keysSecret | default (printf "%s-keys" (include "liveleaf.name" .)) -}}
{{- end -}}

{{/* The Secret of the release's namespace with credentials for the registry; empty where it asks for none. */}}
{{- define "liveleaf.registrySecret" -}}
{{- if .Values.inClusterRegistry.enabled -}}
{{- printf "%s-registry-login" (include "liveleaf.name" .) -}}
{{- else -}}
{{- .Values.registrySecret -}}
{{- end -}}
{{- end -}}

{{/* The Secrets of the other namespaces: the ones that are named, else copies of the release's. */}}
{{- define "liveleaf.pullSecret" -}}
{{- if .Values.config.kubernetes.imagePullSecret -}}
{{- .Values.config.kubernetes.imagePullSecret -}}
{{- else if include "liveleaf.registrySecret" . -}}
{{- printf "%s-pull" (include "liveleaf.name" .) -}}
{{- end -}}
{{- end -}}

{{- define "liveleaf.pushSecret" -}}
{{- if .Values.config.kubernetes.pushSecret -}}
{{- .Values.config.kubernetes.pushSecret -}}
{{- else if include "liveleaf.registrySecret" . -}}
{{- printf "%s-push" (include "liveleaf.name" .) -}}
{{- end -}}
{{- end -}}
