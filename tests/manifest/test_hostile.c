/* Aim: no input makes the readers of this floor crash, read outside it, or fail without a message;
 * and what can be signed can be opened. Method: good documents, mutated at random places by bytes,
 * tokens, cuts and repetitions, from a printed seed (PLUMB_TEST_SEED), are signed where a signature
 * is needed and read. Run it under the sanitizers. */
#include "manifest_fixture.h"

#include "base/plumb_random.h"
#include "manifest/policy.h"
#include "manifest/proofs/note.h"
#include "manifest/signing/dsse.h"
#include "manifest/signing/statement.h"
#include "manifest/trust/trust_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

enum { ROUNDS = 1500 };

static uint64_t seed = 20261122, counter;

static uint32_t draw(uint32_t below)
{
    uint32_t out[4];
    plumb_random_block(seed, 1, counter++, out);
    return out[0] % below;
}

static const char *const tokens[] = {"null",
                                     "true",
                                     "-1",
                                     "0",
                                     "1e308",
                                     "-0.0",
                                     "99999999999999999999",
                                     "\"\"",
                                     "[]",
                                     "{}",
                                     "[[]]",
                                     "\"\\u0000\"",
                                     "\"\\ud800\"",
                                     "\"\xff\"",
                                     ",",
                                     ":",
                                     "\"",
                                     "\\",
                                     "\n",
                                     "\r",
                                     "{\"a\":1}",
                                     "1.5",
                                     "18446744073709551615",
                                     "\"all\"",
                                     "{\"band\":[0,1]}",
                                     "{\"points\":[[0,0],[0,0]]}",
                                     "[0,1]",
                                     "\"depth\"",
                                     "\"budget\"",
                                     "\"segments\""};

/* One to three changes. */
static void mutate(const char *text, plumb__bytes *out)
{
    plumb__bytes_clear(out);
    plumb__bytes_append_text(out, text);
    for (uint32_t changes = 1 + draw(3); changes > 0 && out->size > 0; changes--) {
        const size_t at = draw((uint32_t)out->size);
        plumb__bytes copy = {0};
        plumb__bytes_append(&copy, out->data, out->size);
        const size_t rest = copy.size - at;
        switch (draw(5)) {
        case 0: out->data[at] = (uint8_t)draw(256); break;
        case 1: out->size = at; break;
        case 2: /* a token in between */
            out->size = at;
            plumb__bytes_append_text(out, tokens[draw(sizeof tokens / sizeof *tokens)]);
            plumb__bytes_append(out, copy.data + at, rest);
            break;
        case 3: { /* a token in place of a stretch */
            const size_t gone = draw(12) < rest ? draw((uint32_t)rest) % 12 : 0;
            out->size = at;
            plumb__bytes_append_text(out, tokens[draw(sizeof tokens / sizeof *tokens)]);
            plumb__bytes_append(out, copy.data + at + gone, rest - gone);
            break;
        }
        default: plumb__bytes_append(out, copy.data + at, rest < 200 ? rest : 200); break;
        }
        plumb__bytes_free(&copy);
    }
}

/* A refusal has a message, whole and ended. */
static void assert_explained(plumb_status status, const plumb_error *err)
{
    if (status == PLUMB_OK) return;
    if (err->status != status || err->message[0] == '\0' ||
        memchr(err->message, '\0', sizeof err->message) == NULL) {
        fail_msg("seed %llu: status %d without a message", (unsigned long long)seed, (int)status);
    }
}

static const char taxonomy[] =
    "{\"profiles\":{\"a\":{\"band\":[0,0.4]},\"b\":{\"trapezoid\":[0.1,0.2,0.3,1]},\"c\":{"
    "\"points\":"
    "[[0,1],[0.5,0]]},\"d\":{\"layers\":{\"*\":1,\"x.*\":0}}},\"rubrics\":{\"r@1\":{\"depth\":"
    "\"a\","
    "\"budget\":{\"step\":1,\"run\":2},\"weight\":1}},\"defaults\":{\"depth\":\"b\"}}";
static const char records[] = "{\"id\":\"r1\",\"content\":{\"sha256\":\"" DIGEST
                              "\",\"bytes\":11},\"text\":\"t\",\"rubric\":\"r@1\","
                              "\"annotators\":[\"a1\",\"a2\"],\"quality\":0.94,\"agreement\":{"
                              "\"raters\":3},\"depth\":\"c\"}\n"
                              "{\"id\":\"r2\",\"private\":\"" DIGEST
                              "\",\"depth\":{\"points\":[[0,1],[1,3]]},\"budget\":{\"step\":2},"
                              "\"weight\":0.5}\n"
                              "{\"id\":\"r3\",\"content\":{\"sha256\":\"" DIGEST
                              "\",\"bytes\":11},\"segments\":[{\"bytes\":[0,4],"
                              "\"depth\":\"d\"},{\"bytes\":[5,11]}]}\n";

/* Everything that can be asked of an open manifest. */
static void ask_everything(const plumb_manifest *m)
{
    plumb_manifest_info info;
    plumb_manifest_describe(m, &info);
    for (uint32_t i = 0; i < info.records; i++) {
        plumb_record r;
        plumb_explanation why;
        size_t n;
        char *line = NULL;
        assert_works(plumb_manifest_record(m, i, &r, err));
        assert_int_equal(plumb_manifest_find(m, r.id), i);
        assert_works(plumb_manifest_explain(m, i, &why, err));
        assert_works(plumb_manifest_line(m, i, &line, &n, err));
        plumb_text_free(line);
        for (int s = -1; s < (int)r.n_segments; s++) {
            for (int d = 0; d <= 10; d++) {
                assert_true(plumb_manifest_mask(m, i, s, d / 10.0, "x.y") >= 0.0);
            }
        }
    }
}

static void manifests(void **state)
{
    const fixture *f = *state;
    plumb__bytes text = {0};
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_sign_options options = sign_defaults();
    int opened = 0;
    char records_path[512], taxonomy_path[512], envelope_path[512];
    snprintf(records_path, sizeof records_path, "%s", fixture_path(f, "h.jsonl"));
    snprintf(taxonomy_path, sizeof taxonomy_path, "%s", fixture_path(f, "h.json"));
    snprintf(envelope_path, sizeof envelope_path, "%s", fixture_path(f, "h.plumb.json"));
    options.taxonomy_path = taxonomy_path;
    for (int i = 0; i < ROUNDS; i++) {
        plumb_error err = {0};
        plumb_manifest *m = NULL;
        mutate(i % 3 == 0 ? taxonomy : records, &text);
        write_bytes(records_path, i % 3 == 0 ? records : (char *)text.data,
                    i % 3 == 0 ? sizeof records - 1 : text.size);
        write_bytes(taxonomy_path, i % 3 == 0 ? (char *)text.data : taxonomy,
                    i % 3 == 0 ? text.size : sizeof taxonomy - 1);
        (void)remove(envelope_path);
        const plumb_status status = plumb_manifest_sign(records_path, f->vendor, &options, &err);
        assert_explained(status, &err);
        if (status != PLUMB_OK) continue;
        opened++;
        assert_works(plumb_manifest_open(envelope_path, trust, NULL, &m, err));
        ask_everything(m);
        plumb_manifest_free(m);
    }
    print_message("seed %llu: %d of %d mutated manifests were still good\n",
                  (unsigned long long)seed, opened, ROUNDS);
    assert_in_range(opened, 1, ROUNDS - 1);
    plumb_trust_free(trust);
    plumb__bytes_free(&text);
}

/* The payload of an envelope file. */
static char *payload_of(const char *path)
{
    plumb__bytes text;
    plumb__dsse envelope;
    read_bytes(path, &text);
    assert_works(plumb__dsse_parse("e", text.data, text.size - 1, &envelope, err));
    char *copy = calloc(1, envelope.payload.size + 1);
    assert_non_null(copy);
    memcpy(copy, envelope.payload.data, envelope.payload.size);
    plumb__dsse_free(&envelope);
    plumb__bytes_free(&text);
    return copy;
}

static void signed_documents(void **state)
{
    const fixture *f = *state;
    plumb__bytes text = {0};
    sign_records(f, "{\"id\":\"r\",\"private\":\"" DIGEST "\"}\n", NULL);
    char *store = payload_of(fixture_path(f, "trust.json"));
    char *statement = payload_of(fixture_path(f, "records.plumb.json"));
    for (int i = 0; i < ROUNDS; i++) {
        plumb__dsse envelope = {.payload_type = PLUMB__TRUST_PAYLOAD_TYPE};
        plumb__bytes file = {0};
        plumb_trust *trust = NULL;
        plumb_error err = {0};
        mutate(store, &text);
        plumb__bytes_append(&envelope.payload, text.data, text.size);
        assert_int_equal(plumb__dsse_sign(&envelope, f->root, NULL), PLUMB_OK);
        assert_int_equal(plumb__dsse_dump(&envelope, &file, NULL), PLUMB_OK);
        plumb__bytes_append_text(&file, "\n");
        assert_explained(plumb_trust_parse("t", file.data, file.size, &trust, &err), &err);
        plumb_trust_free(trust);
        plumb__bytes_free(&file);
        plumb__dsse_free(&envelope);

        plumb__statement parsed;
        mutate(statement, &text);
        const plumb_status status =
            plumb__statement_parse("s", text.data, text.size, &parsed, &err);
        assert_explained(status, &err);
        if (status == PLUMB_OK) plumb__statement_free(&parsed);
    }
    free(store);
    free(statement);
    plumb__bytes_free(&text);
}

static void policies_and_notes(void **state)
{
    const fixture *f = *state;
    static const char policy[] =
        "{\"plumb_policy\":1,\"max_mask\":2,\"unknown\":\"halt\",\"budgets\":{\"unit_step_nats\":2,"
        "\"run_nats\":null},\"reference\":{\"fixed\":1.5},\"starvation\":{\"steps\":7},\"journal\":"
        "{\"commit_ms\":5}}";
    plumb__bytes text = {0}, note = {0};
    plumb__checkpoint checkpoint = {.origin = "o", .size = 7}, out;
    plumb_public_key key;
    plumb_key_public(f->vendor, &key);
    assert_works(plumb__note_sign(&checkpoint, "o", f->vendor, &note, err));
    char *good = strdup(plumb__bytes_text(&note));
    assert_non_null(good);
    for (int i = 0; i < ROUNDS; i++) {
        plumb__policy p;
        plumb_error err = {0};
        mutate(policy, &text);
        assert_explained(plumb__policy_parse("p", text.data, text.size, &p, &err), &err);
        mutate(good, &text);
        const plumb_status status =
            plumb__note_verify("n", text.data, text.size, "o", &key, &out, &err);
        assert_explained(status, &err);
        const bool same = text.size == note.size && memcmp(text.data, good, note.size) == 0;
        assert_int_equal(status == PLUMB_OK, same);
    }
    free(good);
    plumb__bytes_free(&text);
    plumb__bytes_free(&note);
}

int main(void)
{
    const char *given = getenv("PLUMB_TEST_SEED");
    if (given != NULL) seed = strtoull(given, NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifests),
        cmocka_unit_test(signed_documents),
        cmocka_unit_test(policies_and_notes),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
