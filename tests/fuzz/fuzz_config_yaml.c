/* The whole way of a configuration file: expansion, YAML, tables, checks, and back to YAML. */
#include "vivace/config/config.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_args args = {
        .file = "", .health_url = "", .expand_env = size > 0 && data[size - 1] % 2 == 0};
    struct config_report report;
    struct config *c = NULL;
    struct fault f = {0};
    config_report_init(&report);
    if (config_load_text(slice_of(data, size), "fuzz.yaml", &args, &report, &f, &c) == OK) {
        struct buf out;
        buf_init(&out, (size_t)64 << 20);
        config_write_yaml(c, CONFIG_WRITE_CURRENT, &out);
        config_write_yaml(c, CONFIG_WRITE_DIFF, &out);
        config_report_write(&report, &out);
        buf_fini(&out);
        config_destroy(c);
    }
    config_report_fini(&report);
    return 0;
}
