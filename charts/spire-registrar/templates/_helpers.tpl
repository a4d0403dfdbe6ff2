{{/* The labels that Helm and its users know a release's objects by. */}}
{{- define "spire-registrar.labels" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{- define "spire-registrar.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The files below files/ whose manifests the values ask for, as a JSON array. */}}
{{- define "spire-registrar.parts" -}}
{{- $parts := list }}
{{- if ne .Values.mode "none" }}
{{- if .Values.crds.install }}{{ $parts = append $parts "crds" }}{{ end }}
{{- $parts = append $parts .Values.mode }}
{{- if .Values.admissionPolicy.enabled }}{{ $parts = append $parts "admission-policy" }}{{ end }}
{{- end }}
{{- if .Values.csi.enabled }}{{ $parts = append $parts "csi" }}{{ end }}
{{- if or .Values.prometheus.podMonitors .Values.prometheus.rules }}{{ $parts = append $parts "prometheus" }}{{ end }}
{{- toJson $parts }}
{{- end }}

{{/* "true" for an object that the values do not turn off; takes root and object. */}}
{{- define "spire-registrar.wanted" -}}
{{- $values := .root.Values }}
{{- $kind := .object.kind }}
{{- $name := dig "metadata" "name" "" .object }}
{{- $isWebhooks := or (eq $kind "ValidatingWebhookConfiguration") (hasSuffix "-webhook-service" $name) }}
{{- if not $kind }}
{{- else if eq $kind "NetworkPolicy" }}{{ if $values.networkPolicy.enabled }}true{{ end }}
{{- else if $isWebhooks }}{{ if $values.webhook.enabled }}true{{ end }}
{{- else if eq $kind "PrometheusRule" }}{{ if $values.prometheus.rules }}true{{ end }}
{{- else if eq $kind "PodMonitor" }}
{{- $isThere := ternary $values.csi.enabled (ne $values.mode "none") (eq $name "csi-spire") }}
{{- if and $values.prometheus.podMonitors $isThere }}true{{ end }}
{{- else }}true{{ end }}
{{- end }}

{{/* Change an object as the values say; takes root and object, writes nothing. */}}
{{- define "spire-registrar.change" -}}
{{- $root := .root }}
{{- $object := .object }}
{{- $metadata := $object.metadata }}
{{- $_ := set $metadata "labels" (merge (include "spire-registrar.labels" $root | fromYaml) ($metadata.labels | default dict)) }}
{{- if eq ($metadata.namespace | default "") "spire" }}{{ $_ := set $metadata "namespace" $root.Release.Namespace }}{{ end }}
{{- range $object.subjects }}{{ $_ := set . "namespace" $root.Release.Namespace }}{{ end }}
{{- if eq $object.kind "CustomResourceDefinition" }}
{{- $_ := set $metadata "annotations" (merge (dict "helm.sh/resource-policy" "keep") ($metadata.annotations | default dict)) }}
{{- else if eq $object.kind "ValidatingWebhookConfiguration" }}
{{- range $object.webhooks }}{{ $_ := set .clientConfig.service "namespace" $root.Release.Namespace }}{{ end }}
{{- else if eq $object.kind "NetworkPolicy" }}
{{- include "spire-registrar.change-peers" (dict "root" $root "rules" $object.spec.ingress "side" "from") }}
{{- include "spire-registrar.change-peers" (dict "root" $root "rules" $object.spec.egress "side" "to") }}
{{- else if has $object.kind (list "PodMonitor" "PrometheusRule") }}
{{- $_ := set $metadata "labels" (merge $metadata.labels $root.Values.prometheus.labels) }}
{{- else if eq $object.kind "Deployment" }}
{{- include "spire-registrar.change-registrar" . }}
{{- else if eq $object.kind "DaemonSet" }}
{{- include "spire-registrar.change-driver" . }}
{{- end }}
{{- end }}

{{/* The namespaces that a NetworkPolicy names. */}}
{{- define "spire-registrar.change-peers" -}}
{{- $root := .root }}
{{- $names := dict "spire" ($root.Values.serverNamespace | default $root.Release.Namespace) "monitoring" $root.Values.networkPolicy.monitoringNamespace }}
{{- $side := .side }}
{{- range $rule := .rules }}
{{- range $peer := index $rule $side | default list }}
{{- $labels := dig "namespaceSelector" "matchLabels" dict $peer }}
{{- $name := index $labels "kubernetes.io/metadata.name" | default "" }}
{{- if hasKey $names $name }}{{ $_ := set $labels "kubernetes.io/metadata.name" (get $names $name) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The registrar's Deployment. */}}
{{- define "spire-registrar.change-registrar" -}}
{{- $root := .root }}
{{- $values := $root.Values }}
{{- $spec := .object.spec }}
{{- $pod := $spec.template.spec }}
{{- $container := first $pod.containers }}
{{- $_ := set $spec "replicas" (int $values.replicas) }}
{{- include "spire-registrar.change-pod" (dict "root" $root "template" $spec.template "values" $values "configuration" (include "spire-registrar.configuration" $root)) }}
{{- if eq $values.mode "controller-manager" }}
{{- $config := $values.controllerManagerConfig }}
{{- include "spire-registrar.change-port" (dict "template" $spec.template "name" "http-metrics" "value" "controllerManagerConfig.metrics.bindAddress" "address" (dig "metrics" "bindAddress" "" $config)) }}
{{- include "spire-registrar.change-port" (dict "template" $spec.template "name" "http-health" "value" "controllerManagerConfig.health.healthProbeBindAddress" "address" (dig "health" "healthProbeBindAddress" "" $config)) }}
{{- include "spire-registrar.change-port" (dict "template" $spec.template "name" "webhook" "value" "controllerManagerConfig.webhook.port" "address" (dig "webhook" "port" "" $config)) }}
{{- if not $values.webhook.enabled }}
{{- $_ := set $container "env" (prepend ($container.env | default list) (dict "name" "ENABLE_WEBHOOKS" "value" "false")) }}
{{- end }}
{{- else }}
{{- include "spire-registrar.change-port" (dict "template" $spec.template "name" "http-metrics" "value" "config.metrics_addr" "address" $values.config.metrics_addr) }}
{{- end }}
{{- range $volume := $pod.volumes }}
{{- if eq $volume.name "agent-socket" }}
{{- if eq $values.agentSocket.from "hostPath" }}
{{- $_ := unset $volume "csi" }}
{{- $_ := set $volume "hostPath" (dict "path" $values.agentSocket.hostPath "type" "Directory") }}
{{- else if ne $values.agentSocket.from $volume.csi.driver }}
{{- $_ := set $volume "csi" (dict "driver" $values.agentSocket.from "readOnly" true) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The node driver's DaemonSet. */}}
{{- define "spire-registrar.change-driver" -}}
{{- $csi := .root.Values.csi }}
{{- $template := .object.spec.template }}
{{- $pod := $template.spec }}
{{- include "spire-registrar.change-pod" (dict "root" .root "template" $template "values" $csi "configuration" (include "spire-registrar.driver-configuration" .root)) }}
{{- include "spire-registrar.change-port" (dict "template" $template "name" "metrics" "value" "csi.config.metrics_addr" "address" $csi.config.metrics_addr) }}
{{- $folders := dict "admin-socket" $csi.adminSocketDir "agent-socket" $csi.agentSocketDir }}
{{- range $volume := $pod.volumes }}
{{- with $volume.hostPath }}
{{- $path := get $folders $volume.name | default (replace "/var/lib/kubelet" $csi.kubeletDir .path) }}
{{- $_ := set . "path" $path }}
{{- end }}
{{- end }}
{{- range (first $pod.containers).volumeMounts }}
{{- $_ := set . "mountPath" (replace "/var/lib/kubelet" $csi.kubeletDir .mountPath) }}
{{- end }}
{{- end }}

{{/* What both have; values are the part of the values that speaks of them. */}}
{{- define "spire-registrar.change-pod" -}}
{{- $template := .template }}
{{- $pod := $template.spec }}
{{- $container := first $pod.containers }}
{{- $values := .values }}
{{- $_ := set $container "image" (include "spire-registrar.image" .root) }}
{{- $_ := set $container "imagePullPolicy" .root.Values.image.pullPolicy }}
{{- with .root.Values.imagePullSecrets }}{{ $_ := set $pod "imagePullSecrets" . }}{{ end }}
{{- with $values.extraArgs }}{{ $_ := set $container "args" (concat $container.args .) }}{{ end }}
{{- with $values.extraEnv }}{{ $_ := set $container "env" (concat ($container.env | default list) .) }}{{ end }}
{{- with $values.resources }}{{ $_ := set $container "resources" . }}{{ end }}
{{- with $values.nodeSelector }}{{ $_ := set $pod "nodeSelector" . }}{{ end }}
{{- with $values.tolerations }}{{ $_ := set $pod "tolerations" . }}{{ end }}
{{- with $values.affinity }}{{ $_ := set $pod "affinity" . }}{{ end }}
{{- with $values.priorityClassName }}{{ $_ := set $pod "priorityClassName" . }}{{ end }}
{{- $metadata := $template.metadata }}
{{- $_ := set $metadata "labels" (merge $metadata.labels $values.podLabels) }}
{{- $annotations := dict "checksum/config" (sha256sum .configuration) }}
{{- $_ := set $metadata "annotations" (merge $annotations $values.podAnnotations $metadata.annotations) }}
{{- end }}

{{/* A container's port, which the configuration file says. */}}
{{- define "spire-registrar.change-port" -}}
{{- $port := regexFind "[0-9]+$" (toString .address) | int }}
{{- if not $port }}
{{- fail (printf "%s is %q: it must name a port, such as \":8082\", because the container's probes, the webhook's Service and Prometheus come there" .value (toString .address)) }}
{{- end }}
{{- $name := .name }}
{{- range (first .template.spec.containers).ports }}
{{- if eq .name $name }}{{ $_ := set . "containerPort" $port }}{{ end }}
{{- end }}
{{- if hasSuffix "metrics" $name }}
{{- $_ := set .template.metadata.annotations "prometheus.io/port" (toString $port) }}
{{- end }}
{{- end }}

{{/* A mapping in the format of SPIRE's own files; null says that there is no such key. */}}
{{- define "spire-registrar.hcl" -}}
{{- range $key, $value := . }}
{{- if not (kindIs "invalid" $value) }}{{ printf "%s = %s\n" $key (toJson $value) }}{{ end }}
{{- end }}
{{- end }}

{{/* The text of the registrar's configuration file. */}}
{{- define "spire-registrar.configuration" -}}
{{- if eq .Values.mode "controller-manager" }}
{{- toYaml (merge (dict "apiVersion" "spire.spiffe.io/v1alpha1" "kind" "ControllerManagerConfig") .Values.controllerManagerConfig) }}
{{- else }}
{{- include "spire-registrar.hcl" .Values.config }}
{{- end }}
{{- end }}

{{/* The text of the node driver's. */}}
{{- define "spire-registrar.driver-configuration" -}}
{{- $config := .Values.csi.config }}
{{- if ne .Values.csi.kubeletDir "/var/lib/kubelet" }}
{{- $config = merge (dict "kubelet_dir" .Values.csi.kubeletDir) $config }}
{{- end }}
{{- include "spire-registrar.hcl" $config }}
{{- end }}
