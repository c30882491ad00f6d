#include "attack_stage.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char stage_dir[300];

const char *at(const char *name)
{
    static char paths[4][400];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", stage_dir, name);
    return paths[next];
}

char *text(const char *format, ...)
{
    static char buffers[4][2000];
    static int next;
    va_list args;
    next = (next + 1) % 4;
    va_start(args, format);
    vsnprintf(buffers[next], sizeof buffers[next], format, args);
    va_end(args);
    return buffers[next];
}

/* A fresh folder of its own for every test: the store, a manifest, what was seen. */
void set_stage(const fixture *f, const char *name)
{
    snprintf(stage_dir, sizeof stage_dir, "%s/%s", f->dir, name);
    assert_works(plumb__dir_create(stage_dir, 0755, err));
}

plumb_trust_addition key_of(const plumb_secret_key *key, const char *name, uint32_t roles)
{
    plumb_trust_addition a;
    plumb_trust_addition_default(&a);
    a.vendor = "acme";
    a.name = name;
    a.roles = roles;
    plumb_key_public(key, &a.key);
    return a;
}

plumb_trust_change by(const plumb_secret_key *const *key, size_t n)
{
    plumb_trust_change c;
    plumb_trust_change_default(&c);
    c.signers = key;
    c.n_signers = n;
    return c;
}

/* trust.json with the vendor's key. */
void make_store(const fixture *f)
{
    const plumb_trust_addition a = key_of(f->vendor, "acme-1", QUALITY);
    (void)unlink(at("trust.json"));
    assert_works(plumb_trust_init(at("trust.json"), f->root, 0, err));
    assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
}

plumb_trust *store(void)
{
    plumb_trust *trust = NULL;
    assert_works(plumb_trust_open(at("trust.json"), &trust, err));
    return trust;
}

void sign_as(const plumb_secret_key *key, uint64_t version, const char *records)
{
    plumb_sign_options options = sign_defaults();
    options.manifest_version = version;
    write_text(at("records.jsonl"), records);
    assert_works(plumb_manifest_sign(at("records.jsonl"), key, &options, err));
}

/* The same, as if nothing had been there before. */
void sign_new(const plumb_secret_key *key, uint64_t version, const char *records)
{
    (void)unlink(at("records.plumb.json"));
    (void)unlink(at("records.checkpoint"));
    sign_as(key, version, records);
}

plumb_status open_manifest(plumb_manifest **m, plumb_error *err)
{
    plumb_trust *trust = store();
    const plumb_status status = plumb_manifest_open(at("records.plumb.json"), trust, NULL, m, err);
    plumb_trust_free(trust);
    return status;
}

/* What a start does: checks and remembers. */
plumb_status use(bool with_manifest, plumb_error *err)
{
    plumb_state *state = NULL;
    plumb_manifest *m = NULL;
    plumb_trust *trust = store();
    plumb_status status = plumb_state_lock(at("state"), &state, err);
    if (status == PLUMB_OK && with_manifest) status = open_manifest(&m, err);
    if (status == PLUMB_OK) status = plumb_state_pin(state, "here", trust, m, err);
    plumb_manifest_free(m);
    plumb_state_free(state);
    plumb_trust_free(trust);
    return status;
}

const char *today(void)
{
    static char when[21];
    plumb__time_format(plumb__wall_s(), when);
    return when;
}

/* The second in which a test runs is not its business. */
static void blank_dates(char *out, size_t size, const char *in)
{
    snprintf(out, size, "%s", in);
    for (char *on = out; (on = strstr(on, "(on 2")) != NULL; on++) {
        memset(on + 4, '#', strlen("2026-11-22T08:30:50Z"));
    }
}

void assert_like(const char *message, const char *expected)
{
    char got[PLUMB_ERROR_MESSAGE_BYTES], want[PLUMB_ERROR_MESSAGE_BYTES];
    blank_dates(got, sizeof got, message);
    blank_dates(want, sizeof want, expected);
    assert_string_equal(got, want);
}

/* An envelope of any type and payload, signed by up to two keys, as a file. */
void forge(const char *path, const char *type, const char *payload, const plumb_secret_key *key)
{
    plumb__dsse envelope = {0};
    plumb__bytes out = {0};
    snprintf(envelope.payload_type, sizeof envelope.payload_type, "%s", type);
    plumb__bytes_append_text(&envelope.payload, payload);
    assert_works(plumb__dsse_sign(&envelope, key, err));
    assert_works(plumb__dsse_dump(&envelope, &out, err));
    plumb__bytes_append_text(&out, "\n");
    write_bytes(path, out.data, out.size);
    plumb__bytes_free(&out);
    plumb__dsse_free(&envelope);
}

const char *key_text(const plumb_secret_key *key)
{
    static char texts[4][PLUMB__SPKI_BASE64_BYTES];
    static int next;
    plumb_public_key public_key;
    next = (next + 1) % 4;
    plumb_key_public(key, &public_key);
    plumb__spki_base64(&public_key, texts[next]);
    return texts[next];
}

void forge_store(const fixture *f, const char *vendors)
{
    forge(at("trust.json"), TRUST_TYPE,
          text("{\"plumb_trust\":1,\"version\":1,\"roots\":{\"keys\":[\"%s\"],\"threshold\":1},"
               "\"vendors\":%s}",
               key_text(f->root), vendors),
          f->root);
}

void cosign_as(const char *name, const plumb_secret_key *witness, int64_t time_s)
{
    plumb__bytes note_text;
    plumb__note note;
    read_bytes(at("records.checkpoint"), &note_text);
    assert_works(plumb__note_parse("t", note_text.data, note_text.size, &note, err));
    plumb__bytes out = {0};
    plumb__bytes_append(&out, note_text.data, note_text.size);
    assert_works(plumb__cosign(name, witness, note.text, note.text_size, time_s, &out, err));
    write_bytes(at("records.checkpoint"), out.data, out.size);
    plumb__bytes_free(&out);
    plumb__bytes_free(&note_text);
}

/* The signed bytes of a manifest, as text. */
char *statement_of(const char *path)
{
    plumb__bytes file = {0};
    plumb__dsse envelope;
    char *out = NULL;
    assert_works(plumb__manifest_envelope_read(path, &file, &envelope, err));
    out = strdup(plumb__bytes_text(&envelope.payload));
    plumb__dsse_free(&envelope);
    plumb__bytes_free(&file);
    return out;
}
