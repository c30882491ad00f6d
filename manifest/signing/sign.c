/* Signing a records file: what is to be signed, and the signature by a key that is here. Writing is
 * in sign_write.c. */
#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/names.h"
#include "manifest/signing/signing.h"
#include "manifest/writer_lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TAXONOMY_CAP ((size_t)64 << 20)

void plumb_sign_options_default(plumb_sign_options *options)
{
    *options = (plumb_sign_options){.size = sizeof *options, .version = 1, .manifest_version = 1};
}

void plumb__signing_free(plumb__signing *s)
{
    if (s == NULL) return;
    plumb__dsse_free(&s->envelope);
    plumb__statement_free(&s->old);
    plumb__statement_free(&s->statement);
    json_decref(s->taxonomy);
    plumb__bytes_free(&s->old_text);
    plumb__free(s);
}

plumb_status plumb__signing_paths(const char *records_path, plumb__signing *s, plumb_error *err)
{
    const size_t n = strlen(records_path);
    if (n <= 6 || strcmp(records_path + n - 6, ".jsonl") != 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a records file is named NAME.jsonl",
                           records_path);
    }
    if (n + 16 > PLUMB__PATH_BYTES) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: the path is too long", records_path);
    }
    char stem[PLUMB__PATH_BYTES];
    memcpy(stem, records_path, n - 6);
    stem[n - 6] = '\0';
    stpcpy(stpcpy(s->envelope_path, stem), ".plumb.json");
    stpcpy(stpcpy(s->checkpoint_path, stem), ".checkpoint");
    stpcpy(stpcpy(s->private_path, stem), ".private.jsonl");
    return PLUMB_OK;
}

static plumb_status check_options(const plumb_sign_options *o, plumb_error *err)
{
    if (o->size != sizeof *o || o->version != 1) {
        return plumb__fail(err, PLUMB_ERR_VERSION, "plumb_sign_options of unknown size or version");
    }
    PLUMB_TRY(plumb__name_check("manifest", "vendor", o->vendor, err));
    PLUMB_TRY(plumb__name_check("manifest", "dataset", o->dataset, err));
    if (o->manifest_version < 1 || o->manifest_version > INT64_MAX) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a manifest's version must be 1 or more");
    }
    if (o->audience != NULL && !plumb__text_is_plain(o->audience, strlen(o->audience), 255)) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "an audience must have 1 to 255 bytes without control characters");
    }
    return PLUMB_OK;
}

static plumb_status read_taxonomy(const char *path, json_t **out, plumb_error *err)
{
    plumb__bytes text = {0};
    if (path == NULL) return PLUMB_OK;
    plumb_status status = plumb__file_read(path, TAXONOMY_CAP, &text, err);
    if (status == PLUMB_OK) status = plumb__json_parse(path, text.data, text.size, out, err);
    plumb__bytes_free(&text);
    return status;
}

static bool names_entries(const plumb__table *table)
{
    for (uint32_t i = 0; i < table->n; i++) {
        const plumb__class c = plumb__table_class(table, i);
        if (c.rubric != PLUMB__INTERN_NONE || c.domain != PLUMB__INTERN_NONE ||
            c.template_name != PLUMB__INTERN_NONE) {
            return true;
        }
    }
    return false;
}

plumb_status plumb__signing_read_records(const char *records_path, const char *taxonomy_path,
                                         plumb__signing *s, plumb__records_identity *out,
                                         plumb_error *err)
{
    plumb__taxonomy taxonomy = {0};
    plumb__table table = {0};
    plumb__record_file file = {0};
    plumb__private *private_file = NULL;
    plumb_status status = plumb__taxonomy_read(taxonomy_path, s->taxonomy, &taxonomy, err);
    if (status != PLUMB_OK) return status;
    PLUMB_TRY_CLEAN(plumb__private_open(s->private_path, false, &private_file, err));
    PLUMB_TRY_CLEAN(
        plumb__record_file_open(records_path, NULL, private_file, &taxonomy, &table, &file, err));
    *out = file.identity;
    s->idle_names = s->taxonomy == NULL && names_entries(&table);
cleanup:
    plumb__record_file_close(&file);
    plumb__table_free(&table);
    plumb__private_free(private_file);
    plumb__taxonomy_free(&taxonomy);
    return status;
}

static void fill_statement(const char *records_path, const plumb_sign_options *o, plumb__signing *s)
{
    const char *slash = strrchr(records_path, '/');
    s->statement.subject = slash != NULL ? slash + 1 : records_path;
    s->statement.vendor = o->vendor;
    s->statement.dataset = o->dataset;
    s->statement.audience = o->audience;
    s->statement.version = o->manifest_version;
    s->statement.issued_s = o->issued_s != 0 ? o->issued_s : plumb__wall_s();
    s->statement.expires_s = o->expires_s;
    s->statement.taxonomy = s->taxonomy;
}

plumb_status plumb__signing_read_old(plumb__signing *s, plumb_error *err)
{
    if (!plumb__path_exists(s->envelope_path)) return PLUMB_OK;
    PLUMB_TRY(plumb__manifest_envelope_read(s->envelope_path, &s->old_text, &s->envelope, err));
    return plumb__statement_parse(s->envelope_path, s->envelope.payload.data,
                                  s->envelope.payload.size, &s->old, err);
}

/* A second signer at another time says the same thing: then the first one's time of issue stands,
 * and so does what the first one superseded. */
static plumb_status same_statement(const plumb_sign_options *o, plumb__signing *s, bool *same,
                                   plumb_error *err)
{
    plumb__statement as_old = s->statement;
    plumb__bytes text = {0};
    if (o->issued_s == 0) as_old.issued_s = s->old.issued_s;
    as_old.supersedes_version = s->old.supersedes_version;
    as_old.supersedes_root = s->old.supersedes_root;
    const plumb_status status = plumb__statement_dump(&as_old, &text, err);
    *same = status == PLUMB_OK && text.size == s->envelope.payload.size &&
            memcmp(text.data, s->envelope.payload.data, text.size) == 0;
    plumb__bytes_free(&text);
    return status;
}

plumb_status plumb__signing_check_succession(const plumb__signing *s, const plumb__statement *now,
                                             plumb_error *err)
{
    const plumb__statement *old = &s->old;
    if (strcmp(old->vendor, now->vendor) != 0 || strcmp(old->dataset, now->dataset) != 0) {
        return plumb__fail(err, PLUMB_ERR_EXISTS,
                           "%s: is the manifest of %s/%s; sign %s/%s under another file name",
                           s->envelope_path, old->vendor, old->dataset, now->vendor, now->dataset);
    }
    if (now->version <= old->version) {
        return plumb__fail(err, PLUMB_ERR_EXISTS,
                           "%s: holds another statement of version %" PRIu64
                           "; sign this one as version %" PRIu64 " or above",
                           s->envelope_path, old->version, old->version + 1);
    }
    return plumb__withdrawals_check_gone(s->envelope_path, err);
}

/* What a new statement must keep to beside the version: rules are not lost by leaving out an
 * option, and what nobody could open is not signed. */
static plumb_status check_new(const plumb_sign_options *o, const plumb__signing *s,
                              plumb_error *err)
{
    const plumb__statement *now = &s->statement;
    char when[21];
    if (now->expires_s != 0 && now->expires_s < now->issued_s) {
        plumb__time_format(now->expires_s, when);
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "expires %s lies before the time of issue",
                           when);
    }
    if (s->old.taxonomy == NULL || now->taxonomy != NULL || o->without_taxonomy) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                       "version %" PRIu64 " has a taxonomy and this one none: give --taxonomy, or "
                       "--no-taxonomy to leave the rules out",
                       s->old.version);
}

/* Sets the envelope's payload: the old one when this is one more signature of it, else a new one.
 */
static plumb_status choose_payload(const plumb_sign_options *o, plumb__signing *s, plumb_error *err)
{
    bool same = false;
    s->replaces = true;
    PLUMB_TRY(plumb__signing_read_old(s, err));
    if (s->old.root != NULL) {
        PLUMB_TRY(same_statement(o, s, &same, err));
        s->replaces = !same;
        if (same) return PLUMB_OK;
        PLUMB_TRY(plumb__signing_check_succession(s, &s->statement, err));
        s->statement.supersedes_version = s->old.version;
        s->statement.supersedes_root = s->old.records.root;
    }
    PLUMB_TRY(check_new(o, s, err));
    plumb__dsse_free(&s->envelope);
    strcpy(s->envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO);
    return plumb__statement_dump(&s->statement, &s->envelope.payload, err);
}

plumb_status plumb__signing_prepare(const char *records_path, const plumb_sign_options *o,
                                    plumb__signing *s, plumb_error *err)
{
    PLUMB_TRY(check_options(o, err));
    PLUMB_TRY(plumb__signing_paths(records_path, s, err));
    PLUMB_TRY(read_taxonomy(o->taxonomy_path, &s->taxonomy, err));
    PLUMB_TRY(
        plumb__signing_read_records(records_path, o->taxonomy_path, s, &s->statement.records, err));
    if (o->idle_names != NULL) *o->idle_names = s->idle_names;
    fill_statement(records_path, o, s);
    return choose_payload(o, s, err);
}

static plumb_status sign_both(const plumb__signing *s, const plumb_secret_key *key,
                              plumb__signature *out, plumb_error *err)
{
    plumb__bytes pae = {0}, note = {0};
    const plumb__dsse *e = &s->envelope;
    plumb_key_public(key, &out->key);
    out->has_note = true;
    plumb__dsse_pae(e->payload_type, e->payload.data, e->payload.size, &pae);
    plumb_status status = plumb__bytes_check(&pae, err);
    if (status == PLUMB_OK) status = plumb_key_sign(key, pae.data, pae.size, out->envelope, err);
    if (status == PLUMB_OK) status = plumb__signing_note(s, &note, err);
    if (status == PLUMB_OK) status = plumb_key_sign(key, note.data, note.size, out->note, err);
    plumb__bytes_free(&pae);
    plumb__bytes_free(&note);
    return status;
}

plumb_status plumb_manifest_sign(const char *records_path, const plumb_secret_key *key,
                                 const plumb_sign_options *options, plumb_error *err)
{
    plumb__signing *s = NULL;
    plumb__signature by;
    plumb__lock lock = {.fd = -1};
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(plumb__alloc(&s, 1, sizeof *s, "manifest", err));
    plumb_status status = plumb__signing_paths(records_path, s, err);
    if (status == PLUMB_OK) status = plumb__manifest_lock(s->envelope_path, &lock, err);
    if (status == PLUMB_OK) status = plumb__signing_prepare(records_path, options, s, err);
    if (status == PLUMB_OK) status = sign_both(s, key, &by, err);
    if (status == PLUMB_OK) status = plumb__signing_finish(s, &by, err);
    plumb__lock_release(&lock);
    plumb__signing_free(s);
    return status;
}
