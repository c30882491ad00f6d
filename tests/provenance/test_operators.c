/* Aim: only a key that the given trust store lets act as operator, at the certificate's time and at
 * the store's threshold, makes a run somebody's; and a certificate fits one run.json alone. Method:
 * lines made by certificate.h and judged under stores that differ in one point each; exact
 * messages. Then run.json itself: each field missing, of another type, out of range. */
#include "run_forge.h"

#include "base/json.h"
#include "provenance/operators.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1800000000 /* 2027-01-15T08:00:00Z */

typedef struct bench {
    plumb__run_json run;
    plumb__bytes run_bytes, lines;
} bench;

static void add_line(const forge *g, bench *b, const plumb_secret_key *operator_key, bool later)
{
    plumb__certificate c = {.run_key = b->run.run_key,
                            .has_previous = later,
                            .previous_size = later ? 5 : 0,
                            .time_s = NOW,
                            .run_json_blake2b =
                                plumb__blake2b(b->run_bytes.data, b->run_bytes.size),
                            .run_json_sha256 = plumb__sha256(b->run_bytes.data, b->run_bytes.size)};
    (void)g;
    memcpy(c.run_id, b->run.run_id, sizeof c.run_id);
    assert_works(plumb__certificate_make(&c, operator_key, &b->lines, err));
}

static bench open_bench(forge *g)
{
    bench b = {0};
    forge_start(g, "bench");
    forge_stop(g);
    read_bytes(fixture_path(g->f, "bench/run.json"), &b.run_bytes);
    assert_works(
        plumb__run_json_parse("run.json", b.run_bytes.data, b.run_bytes.size, &b.run, err));
    assert_works(plumb__dir_remove(fixture_path(g->f, "bench"), err));
    return b;
}

static void close_bench(bench *b)
{
    plumb__run_json_free(&b->run);
    plumb__bytes_free(&b->run_bytes);
    plumb__bytes_free(&b->lines);
}

static plumb_trust *store_with(const forge *g, const plumb_trust_addition *operator)
{
    make_trust(g->f, "judge.json", operator, NULL);
    return open_trust(g->f, "judge.json");
}

static plumb_trust_addition operator_key(const forge *g)
{
    plumb_trust_addition a;
    plumb_trust_addition_default(&a);
    a.vendor = "lab";
    a.name = "lab-op";
    a.roles = 1u << PLUMB_ROLE_OPERATOR;
    plumb_key_public(g->f->other, &a.key);
    return a;
}

static plumb_status check(const bench *b, const plumb_trust *trust, plumb_error *err)
{
    plumb__operators found = {0};
    const plumb_status status =
        plumb__operators_check(&b->lines, &b->run_bytes, &b->run, trust, &found, err);
    plumb__operators_free(&found);
    return status;
}

static void assert_judged(const bench *b, const forge *g, const plumb_trust_addition *a,
                          plumb_status expected, const char *text)
{
    plumb_trust *trust = store_with(g, a);
    plumb_error err = {0};
    const plumb_status status = check(b, trust, &err);
    plumb_trust_free(trust);
    if (status != expected || strncmp(err.message, text, strlen(text)) != 0)
        fail_msg("status %d, message \"%s\"", status, err.message);
}

static void who_may_certify(void **state)
{
    forge *g = *state;
    bench b = open_bench(g);
    add_line(g, &b, g->f->other, false);
    plumb_trust_addition a = operator_key(g);
    assert_judged(&b, g, &a, PLUMB_OK, "");
    a.valid_from = NOW + 1;
    assert_judged(&b, g, &a, PLUMB_ERR_EXPIRED, "certificates line 1: ");
    a.valid_from = 0;
    a.valid_until = NOW - 1;
    assert_judged(&b, g, &a, PLUMB_ERR_EXPIRED, "certificates line 1: ");
    a.valid_until = NOW + 1;
    assert_judged(&b, g, &a, PLUMB_OK, "");
    a.roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION;
    assert_judged(&b, g, &a, PLUMB_ERR_TRUST, "certificates line 1: ");
    a.roles = 1u << PLUMB_ROLE_OPERATOR;
    plumb_key_public(g->f->vendor, &a.key);
    assert_judged(&b, g, &a, PLUMB_ERR_TRUST,
                  "certificates line 1: no key of the trust store has signed it");
    close_bench(&b);
}

static void one_signature_is_not_two(void **state)
{
    forge *g = *state;
    bench b = open_bench(g);
    add_line(g, &b, g->f->other, false);
    plumb_trust_addition a = operator_key(g), second = operator_key(g);
    second.name = "lab-op-2";
    second.threshold = 2;
    plumb_key_public(g->f->vendor, &second.key);
    make_trust(g->f, "judge.json", &a, &second);
    plumb_trust *trust = open_trust(g->f, "judge.json");
    assert_fails(check(&b, trust, err), PLUMB_ERR_TRUST,
                 "certificates line 1: signed by 1 operator keys of lab, the trust store wants 2");
    plumb_trust_free(trust);
    close_bench(&b);
}

static void every_line_counts(void **state)
{
    forge *g = *state;
    bench b = open_bench(g);
    add_line(g, &b, g->f->other, false);
    add_line(g, &b, g->f->other, true);
    plumb_trust_addition a = operator_key(g);
    assert_judged(&b, g, &a, PLUMB_OK, "");
    add_line(g, &b, g->f->vendor, true); /* a stranger resumes */
    assert_judged(&b, g, &a, PLUMB_ERR_TRUST,
                  "certificates line 3: no key of the trust store has signed it");
    assert_works(check(&b, NULL, err)); /* signer not checked */
    close_bench(&b);
}

static void a_certificate_fits_one_run(void **state)
{
    forge *g = *state;
    bench b = open_bench(g);
    add_line(g, &b, g->f->other, false);
    plumb__bytes_append_text(&b.run_bytes, " ");
    assert_fails(check(&b, g->trust, err), PLUMB_ERR_DIGEST,
                 "certificates line 1: certifies another run.json");
    b.run_bytes.size--;
    b.run.run_key.bytes[0] ^= 1;
    assert_fails(check(&b, g->trust, err), PLUMB_ERR_DIGEST,
                 "certificates line 1: certifies another run key than run.json names");
    close_bench(&b);
}

/* ---- run.json ----------------------------------------------------------------------------- */

static plumb_status parse(json_t *root, plumb_error *err)
{
    plumb__bytes text = {0};
    plumb__run_json run;
    assert_works(plumb__json_dump(root, &text, err));
    const plumb_status status = plumb__run_json_parse("run.json", text.data, text.size, &run, err);
    if (status == PLUMB_OK) plumb__run_json_free(&run);
    plumb__bytes_free(&text);
    return status;
}

static void run_json_is_read_strictly(void **state)
{
    static const struct {
        const char *field, *value, *text;
    } cases[] = {
        {"plumb_run", "2", "run.json: field \"plumb_run\" is 2, expected 1 to 1"},
        {"run_id", "\"ABC\"", "run.json: field \"run_id\" must be 32 lower-case hex digits"},
        {"started", "\"today\"",
         "run.json: field \"started\" must be a time like 2026-11-22T07:39:00Z"},
        {"run_key", "\"-\"", "run.json: field \"run_key\" must be an Ed25519 public key in PEM"},
        {"horizon", "-1", "run.json: field \"horizon\" is -1, expected 0 to 9223372036854775807"},
        {"depth_axis", "\"entropy\"",
         "run.json: depth axis \"entropy\" is unknown to this version"},
        {"layers", "[]", "run.json: has 0 layers, expected 1 to 65536"},
        {"layers", "[7]", "run.json: layer 1 must be an object"},
        {"policy", "\"00\"", "run.json: field \"policy\" must be 64 lower-case hex digits"},
        {"more", "1", NULL},
        {"trust", "{}", NULL},
        {"manifest", "{}", NULL},
    };
    forge *g = *state;
    bench b = open_bench(g);
    json_t *whole = NULL;
    assert_works(plumb__json_parse("run.json", b.run_bytes.data, b.run_bytes.size, &whole, err));
    assert_works(parse(whole, err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *root = json_deep_copy(whole);
        json_object_set_new(root, cases[i].field,
                            json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        if (cases[i].text != NULL)
            assert_fails(parse(root, err),
                         cases[i].field[0] == 'd' ? PLUMB_ERR_UNSUPPORTED : PLUMB_ERR_FORMAT,
                         cases[i].text);
        else
            assert_int_equal(parse(root, NULL), PLUMB_ERR_FORMAT);
        json_decref(root);
    }
    const char *name;
    json_t *value;
    json_object_foreach(whole, name, value)
    {
        json_t *root = json_deep_copy(whole);
        json_object_del(root, name);
        assert_int_equal(parse(root, NULL), PLUMB_ERR_FORMAT);
        json_decref(root);
    }
    json_decref(whole);
    close_bench(&b);
}

static void layers_follow_each_other(void **state)
{
    static const struct {
        const char *field;
        int row, value;
    } cases[] = {{"weight", 0, 1}, {"use", 0, 1},   {"n_uses", 0, 1}, {"n_uses", 1, 3},
                 {"use", 1, 0},    {"use", 2, 1},   {"weight", 2, 2}, {"weight", 3, 1},
                 {"n_uses", 3, 2}, {"n_uses", 3, 0}};
    forge *g = *state;
    bench b = open_bench(g);
    json_t *whole = NULL;
    assert_works(plumb__json_parse("run.json", b.run_bytes.data, b.run_bytes.size, &whole, err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *root = json_deep_copy(whole);
        json_t *row = json_array_get(json_object_get(root, "layers"), (size_t)cases[i].row);
        json_object_set_new(row, cases[i].field, json_integer(cases[i].value));
        if (parse(root, NULL) != PLUMB_ERR_FORMAT)
            fail_msg("row %d with %s = %d was taken", cases[i].row, cases[i].field, cases[i].value);
        json_decref(root);
    }
    json_decref(whole);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_certify),           cmocka_unit_test(one_signature_is_not_two),
        cmocka_unit_test(every_line_counts),         cmocka_unit_test(a_certificate_fits_one_run),
        cmocka_unit_test(run_json_is_read_strictly), cmocka_unit_test(layers_follow_each_other),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
