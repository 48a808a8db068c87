/* Tag names with a meaning of their own in Zipkin v2 (receivers.md 5.4). */
#include "zipkin_tags.h"

/* Sorted by length, then by bytes: most searches end on lengths alone. */
static const struct {
    slice key;
    enum zipkin_role role;
} roles[] = {
    {SL("error"), ZIPKIN_ROLE_ERROR},
    {SL("faas.id"), ZIPKIN_ROLE_RESOURCE},
    {SL("host.id"), ZIPKIN_ROLE_RESOURCE},
    {SL("os.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("os.type"), ZIPKIN_ROLE_RESOURCE},
    {SL("device.id"), ZIPKIN_ROLE_RESOURCE},
    {SL("faas.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("host.arch"), ZIPKIN_ROLE_RESOURCE},
    {SL("host.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("host.type"), ZIPKIN_ROLE_RESOURCE},
    {SL("span.kind"), ZIPKIN_ROLE_KIND},
    {SL("os.version"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.job.uid"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.pod.uid"), ZIPKIN_ROLE_RESOURCE},
    {SL("process.pid"), ZIPKIN_ROLE_RESOURCE},
    {SL("cloud.region"), ZIPKIN_ROLE_RESOURCE},
    {SL("container.id"), ZIPKIN_ROLE_RESOURCE},
    {SL("faas.version"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.job.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.node.uid"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.pod.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("service.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("faas.instance"), ZIPKIN_ROLE_RESOURCE},
    {SL("host.image.id"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.node.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("process.owner"), ZIPKIN_ROLE_RESOURCE},
    {SL("cloud.platform"), ZIPKIN_ROLE_RESOURCE},
    {SL("cloud.provider"), ZIPKIN_ROLE_RESOURCE},
    {SL("container.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("os.description"), ZIPKIN_ROLE_RESOURCE},
    {SL("w3c.tracestate"), ZIPKIN_ROLE_TRACE_STATE},
    {SL("webengine.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("faas.max_memory"), ZIPKIN_ROLE_RESOURCE},
    {SL("host.image.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.cronjob.uid"), ZIPKIN_ROLE_RESOURCE},
    {SL("process.command"), ZIPKIN_ROLE_RESOURCE},
    {SL("service.version"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.ecs.task.arn"), ZIPKIN_ROLE_RESOURCE},
    {SL("cloud.account.id"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.cluster.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.cronjob.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("otel.status_code"), ZIPKIN_ROLE_STATUS_CODE},
    {SL("container.runtime"), ZIPKIN_ROLE_RESOURCE},
    {SL("device.model.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.daemonset.uid"), ZIPKIN_ROLE_RESOURCE},
    {SL("otel.library.name"), ZIPKIN_ROLE_LIBRARY_NAME},
    {SL("service.namespace"), ZIPKIN_ROLE_RESOURCE},
    {SL("webengine.version"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.ecs.launchtype"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.log.group.arns"), ZIPKIN_ROLE_RESOURCE},
    {SL("host.image.version"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.container.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.daemonset.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.deployment.uid"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.namespace.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.replicaset.uid"), ZIPKIN_ROLE_RESOURCE},
    {SL("telemetry.sdk.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.ecs.cluster.arn"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.ecs.task.family"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.eks.cluster.arn"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.log.group.names"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.log.stream.arns"), ZIPKIN_ROLE_RESOURCE},
    {SL("container.image.tag"), ZIPKIN_ROLE_RESOURCE},
    {SL("device.manufacturer"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.deployment.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.replicaset.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.statefulset.uid"), ZIPKIN_ROLE_RESOURCE},
    {SL("service.instance.id"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.log.stream.names"), ZIPKIN_ROLE_RESOURCE},
    {SL("container.image.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.statefulset.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("opencensus.starttime"), ZIPKIN_ROLE_RESOURCE},
    {SL("otel.library.version"), ZIPKIN_ROLE_LIBRARY_VERSION},
    {SL("process.command_args"), ZIPKIN_ROLE_RESOURCE},
    {SL("process.command_line"), ZIPKIN_ROLE_RESOURCE},
    {SL("process.runtime.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.ecs.container.arn"), ZIPKIN_ROLE_RESOURCE},
    {SL("aws.ecs.task.revision"), ZIPKIN_ROLE_RESOURCE},
    {SL("telemetry.sdk.version"), ZIPKIN_ROLE_RESOURCE},
    {SL("webengine.description"), ZIPKIN_ROLE_RESOURCE},
    {SL("deployment.environment"), ZIPKIN_ROLE_RESOURCE},
    {SL("telemetry.auto.version"), ZIPKIN_ROLE_RESOURCE},
    {SL("telemetry.sdk.language"), ZIPKIN_ROLE_RESOURCE},
    {SL("cloud.availability_zone"), ZIPKIN_ROLE_RESOURCE},
    {SL("device.model.identifier"), ZIPKIN_ROLE_RESOURCE},
    {SL("opencensus.resourcetype"), ZIPKIN_ROLE_RESOURCE},
    {SL("otel.status_description"), ZIPKIN_ROLE_STATUS_TEXT},
    {SL("process.executable.name"), ZIPKIN_ROLE_RESOURCE},
    {SL("process.executable.path"), ZIPKIN_ROLE_RESOURCE},
    {SL("process.runtime.version"), ZIPKIN_ROLE_RESOURCE},
    {SL("otlp.service.name.source"), ZIPKIN_ROLE_NAME_KEY},
    {SL("opencensus.exporterversion"), ZIPKIN_ROLE_RESOURCE},
    {SL("k8s.container.restart_count"), ZIPKIN_ROLE_RESOURCE},
    {SL("process.runtime.description"), ZIPKIN_ROLE_RESOURCE},
};

enum zipkin_role
zipkin_role_of(slice key)
{
    size_t low = 0, high = sizeof roles / sizeof roles[0];
    while (low < high) {
        size_t mid = (low + high) / 2;
        slice at = roles[mid].key;
        int c = at.n != key.n ? (at.n < key.n ? -1 : 1) : memcmp(at.p, key.p, key.n);
        if (c == 0) {
            return roles[mid].role;
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return ZIPKIN_ROLE_NONE;
}
