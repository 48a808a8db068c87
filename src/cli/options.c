#include "cli_priv.h"

#include "vivace/base/slice.h"

struct parsing {
    int argc, i;
    char *const *argv;
    const struct option *options;
    size_t option_count;
    struct arguments *ret;
    struct fault *f;
};

static const struct option *
find(const struct parsing *p, slice name)
{
    for (size_t i = 0; i < p->option_count; i++) {
        if (slice_eq(name, slice_cstr(p->options[i].name))) {
            return &p->options[i];
        }
    }
    return NULL;
}

static err
set(struct parsing *p, const struct option *o, const char *value)
{
    struct option_list *list = o->to;
    switch (o->kind) {
    case OPTION_SWITCH:
        *(bool *)o->to = true;
        break;
    case OPTION_TEXT:
        *(const char **)o->to = value;
        break;
    case OPTION_NUMBER:
        if (!slice_to_u64(slice_cstr(value), (uint64_t *)o->to)) {
            return FAULT(p->f, ERR_INVALID, "--%s takes a number, not '%.80s'", o->name, value);
        }
        break;
    case OPTION_LIST:
        if (list->n == OPTION_VALUES_MAX) {
            return FAULT(p->f, ERR_INVALID, "--%s is given more than %d times", o->name, OPTION_VALUES_MAX);
        }
        list->v[list->n++] = value;
        break;
    }
    return OK;
}

static err
parse_option(struct parsing *p, const char *arg)
{
    const char *name = arg + 1 + (arg[1] == '-');
    const char *eq = strchr(name, '=');
    slice key = slice_of(name, eq ? (size_t)(eq - name) : strlen(name));
    const struct option *o = find(p, key);
    const char *value = eq ? eq + 1 : NULL;
    if (o == NULL) {
        return FAULT(p->f, ERR_INVALID, "there is no option %.80s", arg);
    }
    if (o->kind == OPTION_SWITCH) {
        if (value) {
            return FAULT(p->f, ERR_INVALID, "--%s takes no value", o->name);
        }
    } else if (value == NULL) {
        if (p->i + 1 >= p->argc) {
            return FAULT(p->f, ERR_INVALID, "--%s needs a value", o->name);
        }
        value = p->argv[++p->i];
    }
    return set(p, o, value);
}

static err
add_argument(struct parsing *p, const char *arg)
{
    if (p->ret->n == ARGUMENTS_MAX) {
        return FAULT(p->f, ERR_INVALID, "too many arguments, from '%.80s' on", arg);
    }
    p->ret->v[p->ret->n++] = arg;
    return OK;
}

err
options_parse(int argc, char *const *argv, const struct option *options, size_t option_count,
              struct arguments *ret, struct fault *f)
{
    struct parsing p = {.argc = argc, .argv = argv, .options = options, .option_count = option_count};
    bool only_arguments = false;
    err rc = OK;
    *ret = (struct arguments){.n = 0};
    p.ret = ret;
    p.f = f;
    for (; rc == OK && p.i < argc; p.i++) {
        const char *arg = argv[p.i];
        if (!only_arguments && strcmp(arg, "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && arg[0] == '-' && arg[1]) {
            rc = parse_option(&p, arg);
        } else {
            rc = add_argument(&p, arg);
        }
    }
    return rc;
}
