/* Making and extending a trust store; invariants T3 and T4 (trust_store.h). */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "manifest/dsse.h"
#include "manifest/names.h"
#include "manifest/pem.h"
#include "manifest/trust_store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static plumb_status no_memory(plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a trust store");
}

static json_t *time_json(int64_t unix_s)
{
    char text[21];
    plumb__time_format(unix_s, text);
    return json_string(text);
}

/* The envelope of a document, with the line end of its file. */
static plumb_status sign_document(const json_t *document, const plumb_secret_key *root,
                                  plumb__bytes *out, plumb_error *err)
{
    plumb__dsse envelope = {.payload_type = PLUMB__TRUST_PAYLOAD_TYPE};
    plumb_status status = plumb__json_dump(document, &envelope.payload, err);
    if (status == PLUMB_OK) status = plumb__dsse_sign(&envelope, root, err);
    if (status == PLUMB_OK) status = plumb__dsse_dump(&envelope, out, err);
    plumb__bytes_append_text(out, "\n");
    if (status == PLUMB_OK) status = plumb__bytes_check(out, err);
    plumb__dsse_free(&envelope);
    return status;
}

/* What is about to be written must be what can be read: the reader's checks are the writer's. */
static plumb_status check_readable(const char *path, const plumb__bytes *text, plumb_error *err)
{
    plumb_trust *trust = NULL;
    const plumb_status status = plumb_trust_parse(path, text->data, text->size, &trust, err);
    plumb_trust_free(trust);
    return status;
}

plumb_status plumb_trust_init(const char *path, const plumb_secret_key *root, int64_t expires_s,
                              plumb_error *err)
{
    plumb_public_key key;
    char key_text[PLUMB__SPKI_BASE64_BYTES];
    plumb__bytes text = {0};
    PLUMB_TRY(plumb__crypto_init(err));
    plumb_key_public(root, &key);
    plumb__spki_base64(&key, key_text);
    json_t *document =
        json_pack("{s:i,s:i,s:o,s:{s:[s],s:i},s:{}}", "plumb_trust", 1, "version", 1, "issued",
                  time_json(plumb__wall_s()), "roots", "keys", key_text, "threshold", 1, "vendors");
    if (document == NULL) return no_memory(err);
    plumb_status status = PLUMB_OK;
    if (expires_s != 0 && json_object_set_new(document, "expires", time_json(expires_s)) != 0) {
        status = no_memory(err);
    }
    if (status == PLUMB_OK) status = sign_document(document, root, &text, err);
    if (status == PLUMB_OK) status = check_readable(path, &text, err);
    if (status == PLUMB_OK) status = plumb__file_create(path, text.data, text.size, 0644, err);
    plumb__bytes_free(&text);
    json_decref(document);
    return status;
}

static json_t *roles_json(uint32_t roles)
{
    json_t *list = json_array();
    for (unsigned r = 0; r < PLUMB__ROLE_COUNT; r++) {
        if (roles & (1u << r)) json_array_append_new(list, json_string(plumb_role_name(r)));
    }
    return list;
}

static json_t *entry_json(const plumb_trust_addition *a)
{
    char key_text[PLUMB__SPKI_BASE64_BYTES];
    plumb__spki_base64(&a->key, key_text);
    json_t *entry =
        json_pack("{s:s,s:s,s:o}", "name", a->name, "key", key_text, "roles", roles_json(a->roles));
    if (a->valid_from != 0) json_object_set_new(entry, "valid_from", time_json(a->valid_from));
    if (a->valid_until != 0) json_object_set_new(entry, "valid_until", time_json(a->valid_until));
    return entry;
}

/* The object of the vendor, made when it is not there. */
static json_t *vendor_of(json_t *document, const char *name)
{
    json_t *vendors = json_object_get(document, "vendors");
    if (json_object_get(vendors, name) == NULL) {
        json_object_set_new(vendors, name, json_pack("{s:[],s:{}}", "keys", "thresholds"));
    }
    json_t *vendor = json_object_get(vendors, name);
    if (json_object_get(vendor, "thresholds") == NULL) {
        json_object_set_new(vendor, "thresholds", json_object());
    }
    return vendor;
}

static plumb_status extend(json_t *document, const plumb_trust *old, const plumb_trust_addition *a,
                           plumb_error *err)
{
    json_t *vendor = vendor_of(document, a->vendor), *entry = entry_json(a);
    if (vendor == NULL || entry == NULL ||
        json_array_append_new(json_object_get(vendor, "keys"), entry) != 0) {
        return no_memory(err);
    }
    for (unsigned r = 0; a->threshold != 0 && r < PLUMB__ROLE_COUNT; r++) {
        if ((a->roles & (1u << r)) == 0) continue;
        json_object_set_new(json_object_get(vendor, "thresholds"), plumb_role_name(r),
                            json_integer(a->threshold));
    }
    if (json_object_set_new(document, "version", json_integer((json_int_t)old->version + 1)) ||
        json_object_set_new(document, "issued", time_json(plumb__wall_s())) ||
        json_object_set_new(document, "previous", json_string(old->digest))) {
        return no_memory(err);
    }
    return PLUMB_OK;
}

static plumb_status check_root(const char *path, const plumb_trust *trust,
                               const plumb_secret_key *root, plumb_error *err)
{
    plumb_public_key key;
    plumb_key_public(root, &key);
    if (trust->root_threshold > 1) {
        return plumb__fail(err, PLUMB_ERR_UNSUPPORTED,
                           "%s: wants %u root signatures; this version can add with one only", path,
                           trust->root_threshold);
    }
    for (size_t i = 0; i < trust->n_roots; i++) {
        if (memcmp(&trust->roots[i], &key, sizeof key) == 0) return PLUMB_OK;
    }
    char keyid[PLUMB_KEYID_TEXT_BYTES];
    plumb_public_key_id(&key, keyid);
    return plumb__fail(err, PLUMB_ERR_TRUST, "%s: %s is not one of its root keys", path, keyid);
}

plumb_status plumb_trust_add(const char *path, const plumb_secret_key *root,
                             const plumb_trust_addition *addition, plumb_error *err)
{
    plumb_trust *trust = NULL;
    json_t *document = NULL;
    plumb__bytes text = {0};
    int lock = -1;
    plumb_status status;
    if (addition->size != sizeof *addition || addition->version != 1) {
        return plumb__fail(err, PLUMB_ERR_VERSION,
                           "plumb_trust_addition of unknown size or version");
    }
    if (addition->roles == 0 || addition->roles >= 1u << PLUMB__ROLE_COUNT) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a key must be given at least one known role");
    }
    PLUMB_TRY(plumb__name_check(path, "vendor", addition->vendor, err));
    PLUMB_TRY(plumb__name_check(path, "key name", addition->name, err));
    if (!plumb__path_exists(path)) {
        return plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                           "%s: there is no such trust store; plumb trust init makes one", path);
    }
    PLUMB_TRY(plumb__file_lock(path, &lock, err));
    PLUMB_TRY_CLEAN(plumb_trust_open(path, &trust, err));
    PLUMB_TRY_CLEAN(check_root(path, trust, root, err));
    document = json_deep_copy(trust->document);
    if (document == NULL) {
        status = no_memory(err);
        goto cleanup;
    }
    PLUMB_TRY_CLEAN(extend(document, trust, addition, err));
    PLUMB_TRY_CLEAN(sign_document(document, root, &text, err));
    PLUMB_TRY_CLEAN(check_readable(path, &text, err));
    PLUMB_TRY_CLEAN(plumb__file_write_atomic(path, text.data, text.size, 0644, err));
cleanup:
    close(lock);
    plumb__bytes_free(&text);
    json_decref(document);
    plumb_trust_free(trust);
    return status;
}

void plumb_trust_addition_default(plumb_trust_addition *addition)
{
    *addition = (plumb_trust_addition){.size = sizeof *addition, .version = 1};
}

/* The document, plus what is derived from it: digest, fingerprint, key ids. */
static json_t *describe(const plumb_trust *trust)
{
    json_t *out = json_deep_copy(trust->document);
    json_object_set_new(out, "digest", json_string(trust->digest));
    json_object_set_new(out, "root_fingerprint", json_string(trust->fingerprint));
    size_t at = 0;
    const char *name;
    json_t *vendor;
    json_object_foreach(json_object_get(out, "vendors"), name, vendor)
    {
        json_t *entry;
        size_t i;
        json_array_foreach(json_object_get(vendor, "keys"), i, entry)
        {
            char keyid[PLUMB_KEYID_TEXT_BYTES];
            plumb_public_key_id(&trust->keys[at++].key, keyid);
            json_object_set_new(entry, "keyid", json_string(keyid));
        }
    }
    return out;
}

plumb_status plumb_trust_json(const plumb_trust *trust, char **text, plumb_error *err)
{
    plumb__bytes out = {0};
    *text = NULL;
    json_t *value = describe(trust);
    plumb_status status = value == NULL ? no_memory(err) : plumb__json_dump(value, &out, err);
    if (status == PLUMB_OK) status = plumb__memdup(text, out.data, out.size, err);
    plumb__bytes_free(&out);
    json_decref(value);
    return status;
}

void plumb_text_free(char *text)
{
    plumb__free(text);
}
