/* Aim: reading a record with the scanner and reading it with jansson agree on every line: accepted
 * or refused, with the same message, and every field the same. Method: a line that uses every field
 * and lines built from values of every kind for every field, mutated from a printed seed
 * (PLUMB_TEST_SEED); both readers on each. */
#include "manifest_fixture.h"

#include "base/plumb_random.h"
#include "fields_oracle.h"
#include "manifest/records/record_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 30000 };

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static plumb__scan scan;
static plumb__arena arena;
static uint64_t seed = 20261122, counter;

static uint32_t draw(uint32_t below)
{
    uint32_t out[4];
    plumb_random_block(seed, 3, counter++, out);
    return out[0] % below;
}

/* ---- comparing ---- */

static bool same_text(const plumb__record_view *v, plumb__record_field field, const char *expected)
{
    const plumb__span *s = &v->field[field];
    if (expected == NULL || s->text == NULL) return (expected == NULL) == (s->text == NULL);
    return strlen(expected) == s->bytes && memcmp(expected, s->text, s->bytes) == 0;
}

static bool same_names(const plumb__record_view *v, const json_t *names)
{
    const char *at = v->field[PLUMB__FIELD_ANNOTATORS].text;
    if (v->n_annotators != json_array_size(names)) return false;
    for (size_t i = 0; i < v->n_annotators; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (strcmp(name, at) != 0) return false;
        at += strlen(at) + 1;
    }
    return true;
}

/* A part that is kept as written says what jansson read. */
static bool same_value(const plumb__record_view *v, plumb__record_field field,
                       const json_t *expected)
{
    const plumb__span *s = &v->field[field];
    if (expected == NULL || s->text == NULL) return (expected == NULL) == (s->text == NULL);
    json_t *value = json_loadb(s->text, s->bytes, JSON_DECODE_ANY, NULL);
    const bool same = json_equal(value, expected);
    json_decref(value);
    return same;
}

static bool same_strings(const plumb__record_view *v, const oracle_fields *f)
{
    return same_text(v, PLUMB__FIELD_ID, f->id) && same_text(v, PLUMB__FIELD_TEXT, f->text) &&
           same_text(v, PLUMB__FIELD_LABEL, f->label) &&
           same_text(v, PLUMB__FIELD_RUBRIC, f->rubric) &&
           same_text(v, PLUMB__FIELD_DOMAIN, f->domain) &&
           same_text(v, PLUMB__FIELD_BATCH, f->batch) &&
           same_text(v, PLUMB__FIELD_COHORT, f->cohort) &&
           same_text(v, PLUMB__FIELD_SOURCE, f->source) &&
           same_text(v, PLUMB__FIELD_TEMPLATE, f->template_name) &&
           same_text(v, PLUMB__FIELD_PARENT, f->parent) &&
           same_text(v, PLUMB__FIELD_COMPONENT, f->component) &&
           same_text(v, PLUMB__FIELD_LICENCE, f->licence) &&
           same_text(v, PLUMB__FIELD_MARKING, f->marking) &&
           same_text(v, PLUMB__FIELD_CONSENT, f->consent) &&
           same_text(v, PLUMB__FIELD_PRIVATE, f->private_digest);
}

static bool same_fields(const plumb__record_view *v, const oracle_fields *f, const json_t *obj)
{
    const bool content =
        f->content_bytes == UINT64_MAX || plumb__hash_equal(&v->sha256, &f->sha256);
    const bool quality = isnan(f->quality) ? isnan(v->quality) : v->quality == f->quality;
    return same_strings(v, f) && same_names(v, f->annotators) && content && quality &&
           same_value(v, PLUMB__FIELD_SEGMENTS, f->segments) &&
           same_value(v, PLUMB__FIELD_DEPTH, json_object_get(obj, "depth")) &&
           same_value(v, PLUMB__FIELD_BUDGET, json_object_get(obj, "budget")) &&
           same_value(v, PLUMB__FIELD_WEIGHT, json_object_get(obj, "weight")) &&
           v->content_bytes == f->content_bytes && v->withdrawn == f->withdrawn &&
           (!f->withdrawn || v->withdrawn_s == f->withdrawn_s) && v->n_messages == f->n_messages &&
           v->has_prompt == f->has_prompt && v->has_chosen == f->has_chosen &&
           v->has_rejected == f->has_rejected;
}

/* True when the record is good. */
static bool check(const char *line, size_t n)
{
    plumb__record_view view;
    plumb__view_error bad = {0};
    plumb_error err = {0};
    oracle_fields f;
    json_t *obj = NULL;
    plumb__arena_reset(&arena, 1 << 20);
    const plumb_status status = plumb__view_read(&scan, &arena, line, n, &view, &bad);
    plumb_status expected = plumb__json_parse("j", line, n, &obj, &err);
    const bool json = expected == PLUMB_OK;
    if (json) expected = oracle_read("o", obj, &f, &err);
    if ((status == PLUMB_OK) != (expected == PLUMB_OK)) {
        fail_msg("%.*s\nscanner: %s\njansson: %s", (int)n, line, bad.error.message, err.message);
    }
    if (json && status != PLUMB_OK && strcmp(bad.error.message, err.message + 3) != 0) {
        fail_msg("%.*s\nscanner: %s\njansson: %s", (int)n, line, bad.error.message, err.message);
    }
    if (json && status != PLUMB_OK) assert_int_equal(status, expected);
    if (status != PLUMB_OK) assert_true(bad.at <= n);
    if (status == PLUMB_OK && !same_fields(&view, &f, obj)) fail_msg("%.*s", (int)n, line);
    json_decref(obj);
    return status == PLUMB_OK;
}

/* ---- every field with every kind of value ---- */

static const char *const fields[] = {
    "id",      "content",   "private",  "text",     "label",   "rubric",  "domain",    "batch",
    "cohort",  "source",    "template", "parent",   "licence", "marking", "component", "annotators",
    "quality", "agreement", "consent",  "messages", "prompt",  "chosen",  "rejected",  "segments",
    "depth",   "budget",    "weight",   "salt",     "other"};
static const char *const values[] = {
    "null",
    "true",
    "7",
    "-7",
    "0",
    "1",
    "0.5",
    "-0.5",
    "1.5",
    "1e300",
    "\"\"",
    "\"name\"",
    "\"a\\u0007b\"",
    "\"\\u007f\"",
    "\"\xc3\xa9\\n\"",
    "\"human\"",
    "\"model\"",
    "\"human+model\"",
    "\"" DIGEST "\"",
    "[]",
    "{}",
    "[\"a\",\"b\"]",
    "[\"a\",3]",
    "[\"\"]",
    "{\"sha256\":\"" DIGEST "\",\"bytes\":3}",
    "{\"bytes\":3,\"sha256\":\"" DIGEST "\"}",
    "{\"sha256\":\"" DIGEST "\",\"bytes\":-3}",
    "{\"sha256\":\"" DIGEST "\",\"bytes\":3.5}",
    "{\"sha256\":\"x\",\"bytes\":3}",
    "{\"sha256\":\"" DIGEST "\"}",
    "{\"sha256\":3,\"bytes\":3}",
    "{\"sha256\":\"" DIGEST "\",\"bytes\":3,\"x\":1}",
    "{\"raters\":3,\"alpha\":0.5}",
    "{\"raters\":-3}",
    "{\"raters\":1.5}",
    "{\"alpha\":2}",
    "{\"alpha\":\"x\"}",
    "{\"alpha\":-7,\"kappa\":0.1,\"by\":\"x\"}",
    "{\"kappa\":null}",
    "{\"alpha\":\"x\",\"raters\":-1}",
    "{\"basis\":\"contract\",\"reference\":\"r\"}",
    "{\"basis\":\"\"}",
    "{\"basis\":3}",
    "{\"reference\":[]}",
    "{\"withdrawn\":\"2026-11-01\"}",
    "{\"withdrawn\":\"2026-11-01T01:02:03Z\",\"basis\":\"b\"}",
    "{\"withdrawn\":\"soon\"}",
    "{\"withdrawn\":7}",
    "{\"withdrew\":\"2026-11-01\"}",
    "[{\"role\":\"user\",\"content\":\"hi\"}]",
    "[{\"role\":\"user\",\"content\":\"\",\"x\":{}},{\"content\":\"a\",\"role\":\"b\"}]",
    "[{\"role\":\"user\"}]",
    "[{\"content\":\"hi\"}]",
    "[{\"role\":\"\",\"content\":\"hi\"}]",
    "[{\"role\":3,\"content\":\"\"}]",
    "[{\"role\":\"r\",\"content\":3}]",
    "[3]",
    "[[]]",
    "{\"step\":1}"};

static void every_field_and_value(void **state)
{
    (void)state;
    int good = 0;
    char line[2048];
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            const bool id = strcmp(fields[f], "id") == 0;
            const int n = snprintf(line, sizeof line, "{%s\"%s\":%s,\"private\":\"" DIGEST "\"}",
                                   id ? "" : "\"id\":\"x\",", fields[f], values[v]);
            good += check(line, (size_t)n); /* "private" comes twice in some: that is refused */
            const int m = snprintf(line, sizeof line,
                                   "{%s\"%s\":%s,\"content\":{\"sha256\":\"" DIGEST
                                   "\",\"bytes\":1},\"chosen\":\"c\",\"parent\":\"p\"}",
                                   id ? "" : "\"id\":\"x\",", fields[f], values[v]);
            good += check(line, (size_t)m);
        }
    }
    assert_in_range(good, 200, 2000);
}

/* ---- mutations ---- */

static const char whole[] =
    "{\"id\":\"r1\",\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11},\"private\":\"" DIGEST
    "\",\"text\":\"hello\\nworld\",\"label\":\"l\\u00e9\",\"rubric\":\"role@2\",\"domain\":\"d\","
    "\"batch\":\"b1\","
    "\"annotators\":[\"a1\",\"a\\u00e92\"],\"cohort\":\"c\",\"source\":\"human\",\"quality\":0.94,"
    "\"agreement\":{\"raters\":3,"
    "\"alpha\":0.81,\"kappa\":1,\"by\":\"x\"},\"parent\":\"p\",\"component\":\"k\",\"template\":"
    "\"t@4\",\"licence\":\"CC0\","
    "\"marking\":\"U\",\"consent\":{\"basis\":\"b\",\"reference\":\"r\",\"withdrawn\":\"2026-11-"
    "01T00:00:01Z\"},"
    "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"bot\",\"content\":\"ho\","
    "\"x\":[1]}],"
    "\"prompt\":\"q\",\"chosen\":[{\"role\":\"a\",\"content\":\"y\"}],\"rejected\":\"n\","
    "\"segments\":[{\"bytes\":[0,4]}],"
    "\"depth\":{\"band\":[0,1]},\"budget\":{\"step\":1},\"weight\":0.5,\"future\":{\"kept\":true}}";

static void swap_piece(char *line, size_t *n)
{
    const size_t at = draw((uint32_t)*n);
    const char *value = values[draw(sizeof values / sizeof *values)];
    const size_t length = strlen(value), gone = draw(12) < *n - at ? draw(12) % (*n - at) : 0;
    memmove(line + at + length, line + at + gone, *n - at - gone);
    memcpy(line + at, value, length);
    *n += length - gone;
}

/* The value of one member replaced as a whole: mostly JSON still. */
static void swap_value(char *line, size_t *n)
{
    static const char *const places[] = {
        "\"id\":\"r1\"",          "\"bytes\":11",       "\"quality\":0.94", "\"raters\":3",
        "\"alpha\":0.81",         "\"content\":\"hi\"", "\"role\":\"bot\"", "\"prompt\":\"q\"",
        "\"rejected\":\"n\"",     "\"basis\":\"b\"",    "\"cohort\":\"c\"", "\"source\":\"human\"",
        "\"label\":\"l\\u00e9\"", "\"weight\":0.5",     "\"kappa\":1",      "\"marking\":\"U\""};
    const char *place = places[draw(sizeof places / sizeof *places)];
    const char *value = values[draw(sizeof values / sizeof *values)];
    char *found = memmem(line, *n, place, strlen(place));
    if (found == NULL) return;
    char *from = strchr(found, ':') + 1, *end = found + strlen(place);
    const size_t length = strlen(value);
    memmove(from + length, end, *n - (size_t)(end - line));
    memcpy(from, value, length);
    *n = *n + length - (size_t)(end - from);
}

static void mutations(void **state)
{
    (void)state;
    char line[8192];
    int good = 0;
    for (int i = 0; i < ROUNDS; i++) {
        size_t n = sizeof whole - 1;
        memcpy(line, whole, sizeof whole);
        for (uint32_t changes = 1 + draw(3); changes > 0; changes--) {
            switch (draw(4)) {
            case 0: line[draw((uint32_t)n)] = (char)draw(256); break;
            case 1: swap_piece(line, &n); break;
            default: swap_value(line, &n); break;
            }
        }
        good += check(line, n);
    }
    print_message("seed %llu: %d of %d mutated records were still good\n", (unsigned long long)seed,
                  good, ROUNDS);
    assert_in_range(good, ROUNDS / 100, ROUNDS / 2);
}

static void limits(void **state)
{
    (void)state;
    static const size_t lengths[] = {255, 256, 257, 1023, 1024, 1025};
    char *line = malloc(400000);
    assert_non_null(line);
    assert_true(check(whole, sizeof whole - 1));
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char name[1100];
        memset(name, 'n', lengths[i]);
        name[lengths[i]] = '\0';
        int n = sprintf(line, "{\"id\":\"%s\",\"private\":\"" DIGEST "\"}", name);
        assert_int_equal(check(line, (size_t)n), lengths[i] <= 256);
        n = sprintf(line, "{\"id\":\"x\",\"batch\":\"%s\",\"private\":\"" DIGEST "\"}", name);
        assert_int_equal(check(line, (size_t)n), lengths[i] <= 1024);
    }
    for (int count = 4095; count <= 4097; count++) {
        int n = sprintf(line, "{\"id\":\"x\",\"private\":\"" DIGEST "\",\"annotators\":[");
        for (int i = 0; i < count; i++) {
            n += sprintf(line + n, "%s\"a%d\"", i > 0 ? "," : "", i);
        }
        n += sprintf(line + n, "]}");
        assert_int_equal(check(line, (size_t)n), count <= 4096);
    }
    free(line);
}

int main(void)
{
    const char *given = getenv("PLUMB_TEST_SEED");
    if (given != NULL) seed = strtoull(given, NULL, 10);
    plumb__scan_init(&scan, plumb__record_names);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_and_value),
        cmocka_unit_test(limits),
        cmocka_unit_test(mutations),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    plumb__scan_free(&scan);
    plumb__arena_free(&arena);
    return failed;
}
