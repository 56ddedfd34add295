{{/* Addresses that are somebody's inside: this network, private, shared, loopback, link-local with metadata, protocols,
benchmarks, multicast, reserved, and Azure's own service. */}}
{{- define "liveleaf.private" -}}
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32
{{- end -}}

{{/* The same within 2000::/3, all of IPv6 that is public: special purposes, documentation, and what wraps IPv4. */}}
{{- define "liveleaf.private6" -}}
2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20
{{- end -}}

{{/* What a session or a build may connect to; takes {root, ports, extra}. */}}
{{- define "liveleaf.egress" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $except := concat (splitList " " (include "liveleaf.private" .root)) $policy.except -}}
- to:
    - namespaceSelector:
        matchLabels: { kubernetes.io/metadata.name: {{ $policy.dns.namespace }} }
      podSelector:
        matchLabels: {{ toJson $policy.dns.labels }}
  ports:
    - { protocol: UDP, port: 53 }
    - { protocol: TCP, port: 53 }
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
          {{- range $except }}
          {{- if not (contains ":" .) }}
          - {{ . }}
          {{- end }}
          {{- end }}
    {{- if $policy.ipv6 }}
    - ipBlock:
        cidr: 2000::/3
        except:
          {{- range concat (splitList " " (include "liveleaf.private6" .root)) $policy.except }}
          {{- if contains ":" . }}
          - {{ . | quote }}
          {{- end }}
          {{- end }}
    {{- end }}
  ports:
    {{- range .ports }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- range .extra }}
- to:
    - ipBlock: { cidr: {{ .cidr | quote }} }
  ports:
    {{- range .ports }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end }}
{{- end -}}
