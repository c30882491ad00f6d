/* The trainer's part of run.json: written when a run is created, read when it goes on. */
#include "lm_options.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MOST_RUN_JSON_BYTES (16L << 20)

static json_t *value_of(const lm_options *options, const lm_option *o)
{
    const char *at = (const char *)options + o->offset;
    switch (o->kind) {
    case LM_COUNT: return json_integer((json_int_t) * (const uint64_t *)at);
    case LM_NUMBER: return json_real(*(const double *)at);
    case LM_FLAG: return json_boolean(*(const bool *)at);
    case LM_TEXT: break;
    }
    return json_string(*(const char *const *)at);
}

char *lm_settings_json(const lm_options *options, int argc, char **argv)
{
    json_t *settings = json_object(), *words = json_array();
    for (size_t i = 0; i < lm_option_count; i++)
        if (lm_option_table[i].setting)
            json_object_set_new(settings, lm_option_table[i].name,
                                value_of(options, &lm_option_table[i]));
    json_object_set_new(settings, "steps", json_integer((json_int_t)options->steps));
    for (int i = 0; i < argc; i++)
        json_array_append_new(words, json_string(argv[i]));
    json_t *all = json_pack("{s:s, s:s, s:o, s:o}", "program", "plumb-lm", "version",
                            plumb_version(), "argv", words, "settings", settings);
    char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    return text;
}

static plumb_status complain(plumb_error *err, plumb_status status, const char *form, ...)
    PLUMB_PRINTF(3, 4);
static plumb_status complain(plumb_error *err, plumb_status status, const char *form, ...)
{
    va_list args;
    va_start(args, form);
    err->status = status;
    err->os_errno = 0;
    (void)vsnprintf(err->message, sizeof err->message, form, args);
    va_end(args);
    return status;
}

static bool read_value(const json_t *v, const lm_option *o, lm_options *out)
{
    char *at = (char *)out + o->offset;
    if (o->kind == LM_FLAG) {
        *(bool *)at = json_is_true(v);
        return json_is_boolean(v);
    }
    const double number = json_number_value(v);
    if (!json_is_number(v) || !(number >= o->least && number <= o->most)) return false;
    if (o->kind == LM_NUMBER)
        *(double *)at = number;
    else
        *(uint64_t *)at = (uint64_t)json_integer_value(v);
    return o->kind == LM_NUMBER || json_is_integer(v);
}

static bool same(const lm_options *a, const lm_options *b, const lm_option *o)
{
    const char *x = (const char *)a + o->offset, *y = (const char *)b + o->offset;
    if (o->kind == LM_FLAG) return *(const bool *)x == *(const bool *)y;
    if (o->kind == LM_NUMBER) return !(*(const double *)x != *(const double *)y);
    return *(const uint64_t *)x == *(const uint64_t *)y;
}

static void show(const lm_options *options, const lm_option *o, char *text, size_t size)
{
    const char *at = (const char *)options + o->offset;
    if (o->kind == LM_NUMBER)
        (void)snprintf(text, size, "%.9g", *(const double *)at);
    else if (o->kind == LM_COUNT)
        (void)snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)at);
    else
        (void)snprintf(text, size, "%s", *(const bool *)at ? "yes" : "no");
}

static plumb_status adopt(lm_options *options, const json_t *settings, const char *path,
                          plumb_error *err)
{
    lm_options stored = *options;
    for (size_t i = 0; i < lm_option_count; i++) {
        const lm_option *o = &lm_option_table[i];
        if (!o->setting && strcmp(o->name, "steps") != 0) continue;
        if (!read_value(json_object_get(settings, o->name), o, &stored))
            return complain(err, PLUMB_ERR_FORMAT,
                            "%s: trainer.settings.%s is missing or not a "
                            "value of that option",
                            path, o->name);
        if (!o->setting && options->given[i]) {
            stored.steps = options->steps;
            continue;
        }
        if (!options->given[i] || same(options, &stored, o)) continue;
        char asked[64], was[64], name[32];
        show(options, o, asked, sizeof asked);
        show(&stored, o, was, sizeof was);
        (void)snprintf(name, sizeof name, "%s", o->name);
        for (char *c = name; (c = strchr(c, '_')) != NULL;)
            *c = '-';
        return complain(err, PLUMB_ERR_ARGUMENT,
                        "--%s %s differs from this run's %s; a run goes "
                        "on with the settings it began with (--steps may differ): leave it out",
                        name, asked, was);
    }
    *options = stored;
    return PLUMB_OK;
}

plumb_status lm_settings_resume(lm_options *options, plumb_error *err)
{
    char path[4096];
    json_error_t where;
    const int n = snprintf(path, sizeof path, "%s/run.json", options->out);
    if (n < 0 || (size_t)n >= sizeof path)
        return complain(err, PLUMB_ERR_ARGUMENT, "--out is longer than a path may be");
    FILE *file = fopen(path, "rb");
    if (!file)
        return complain(err, PLUMB_ERR_NOT_FOUND,
                        "%s cannot be read: %s; --resume wants the "
                        "bundle of an earlier run in --out",
                        path, strerror(errno));
    if (fseek(file, 0, SEEK_END) != 0 || ftell(file) > MOST_RUN_JSON_BYTES) {
        fclose(file);
        return complain(err, PLUMB_ERR_FORMAT, "%s is too large to be the identity of a run", path);
    }
    rewind(file);
    json_t *all = json_loadf(file, JSON_REJECT_DUPLICATES, &where);
    fclose(file);
    const json_t *settings = json_object_get(json_object_get(all, "trainer"), "settings");
    const plumb_status status = settings
                                    ? adopt(options, settings, path, err)
                                    : complain(err, PLUMB_ERR_FORMAT,
                                               "%s has no trainer.settings of plumb-lm: line "
                                               "%d: %s",
                                               path, where.line, all ? "not there" : where.text);
    json_decref(all);
    return status;
}
