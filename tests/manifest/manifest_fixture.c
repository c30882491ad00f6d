#include "manifest_fixture.h"

#include "base/text.h"
#include "manifest/proofs/merkle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fixture_path(const fixture *f, const char *name)
{
    static char paths[8][512];
    static int at;
    at = (at + 1) % 8;
    snprintf(paths[at], sizeof paths[at], "%s/%s", f->dir, name);
    return paths[at];
}

void write_bytes(const char *path, const void *data, size_t n)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

void read_bytes(const char *path, plumb__bytes *out)
{
    *out = (plumb__bytes){0};
    assert_works(plumb__file_read(path, (size_t)1 << 28, out, err));
}

void decode_hex(const char *hex, uint8_t *out, size_t n)
{
    assert_int_equal(strlen(hex), 2 * n);
    assert_true(plumb__hex_decode(hex, 2 * n, out));
}

void make_trust(const fixture *f, const char *name, const plumb_trust_addition *vendor,
                const plumb_trust_addition *other)
{
    const char *path = fixture_path(f, name);
    (void)remove(path);
    assert_works(plumb_trust_init(path, f->root, 0, err));
    if (vendor != NULL) assert_works(plumb_trust_add(path, f->root, vendor, err));
    if (other != NULL) assert_works(plumb_trust_add(path, f->root, other, err));
}

plumb_trust *open_trust(const fixture *f, const char *name)
{
    plumb_trust *trust = NULL;
    assert_works(plumb_trust_open(fixture_path(f, name), &trust, err));
    return trust;
}

plumb_sign_options sign_defaults(void)
{
    plumb_sign_options options;
    plumb_sign_options_default(&options);
    options.vendor = "acme";
    options.dataset = "set";
    options.issued_s = 1700000000;
    return options;
}

void sign_records(const fixture *f, const char *records, const plumb_sign_options *options)
{
    const plumb_sign_options defaults = sign_defaults();
    (void)remove(fixture_path(f, "records.plumb.json"));
    (void)remove(fixture_path(f, "records.checkpoint"));
    write_text(fixture_path(f, "records.jsonl"), records);
    assert_works(plumb_manifest_sign(fixture_path(f, "records.jsonl"), f->vendor,
                                     options != NULL ? options : &defaults, err));
}

int fixture_setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "%.200s/plumb-manifest-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    assert_works(plumb_key_ephemeral(&f->root, err));
    assert_works(plumb_key_ephemeral(&f->vendor, err));
    assert_works(plumb_key_ephemeral(&f->other, err));
    plumb_trust_addition addition;
    plumb_trust_addition_default(&addition);
    addition.vendor = "acme";
    addition.name = "acme-1";
    addition.roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION;
    plumb_key_public(f->vendor, &addition.key);
    make_trust(f, "trust.json", &addition, NULL);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture *f = *state;
    plumb_key_free(f->root);
    plumb_key_free(f->vendor);
    plumb_key_free(f->other);
    assert_works(plumb__dir_remove(f->dir, err));
    free(f);
    return 0;
}

void records_identify(const char *data, size_t n, uint64_t count, plumb__records_identity *out)
{
    plumb__merkle tree;
    plumb__merkle_init(&tree);
    for (size_t at = 0; at < n;) {
        const size_t length = (size_t)((const char *)memchr(data + at, '\n', n - at) - data) - at;
        const plumb__hash leaf = plumb__merkle_leaf(data + at, length);
        plumb__merkle_add(&tree, &leaf);
        at += length + 1;
    }
    out->bytes = n;
    out->count = count;
    out->root = plumb__merkle_root(&tree);
    out->sha256 = plumb__sha256(data, n);
    out->blake2b = plumb__blake2b(data, n);
}
