{{/* What one value alone does not tell, and values.schema.json can't say. */}}
{{- define "spire-registrar.check" -}}
{{- with .Values }}
{{- if and (eq .mode "none") (not .csi.enabled) }}
{{- fail "mode is none and csi.enabled is false, so there is nothing to install: set one of them" }}
{{- end }}
{{- $manager := eq .mode "controller-manager" }}
{{- $elects := ternary (dig "leaderElection" "leaderElect" false .controllerManagerConfig) .config.leader_election $manager }}
{{- if and (ne .mode "none") (gt (int .replicas) 1) (not $elects) }}
{{- fail (printf "replicas is %d, but %s is not true: several replicas would all write; set it to true, or replicas to 1" (int .replicas) (ternary "controllerManagerConfig.leaderElection.leaderElect" "config.leader_election" $manager)) }}
{{- end }}
{{- end }}
{{- end }}
