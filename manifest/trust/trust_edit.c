/* The changes that a trust store knows: a new one, another key, a revocation, other roots, another
 * expiry. Each changes the document; trust_write.c numbers, signs and writes it. */
#include "base/clock.h"
#include "manifest/names.h"
#include "manifest/signing/pem.h"
#include "manifest/trust/trust_write.h"

#include <string.h>

/* ---- roots ---- */

static json_t *roots_json(const plumb_trust_roots *roots)
{
    char key_text[PLUMB__SPKI_BASE64_BYTES];
    json_t *keys = json_array();
    for (size_t i = 0; i < roots->n; i++) {
        plumb__spki_base64(&roots->keys[i], key_text);
        json_array_append_new(keys, json_string(key_text));
    }
    return json_pack("{s:o,s:i}", "keys", keys, "threshold", (int)roots->threshold);
}

static plumb_status check_roots(const plumb_trust_roots *roots, plumb_error *err)
{
    if (roots->n >= 1 && roots->n <= PLUMB__TRUST_MAX_ROOTS && roots->threshold >= 1 &&
        roots->threshold <= roots->n) {
        return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                       "%zu root keys cannot have a threshold of %u: at least 1, at most as many "
                       "as there are keys, and at most %d of them",
                       roots->n, roots->threshold, PLUMB__TRUST_MAX_ROOTS);
}

static plumb_status set_expiry(json_t *document, int64_t expires_s, plumb_error *err)
{
    if (expires_s == 0) {
        (void)json_object_del(document, "expires"); /* absent already: as well */
        return PLUMB_OK;
    }
    if (json_object_set_new(document, "expires", plumb__trust_time_json(expires_s)) == 0) {
        return PLUMB_OK;
    }
    return plumb__trust_no_memory(err);
}

plumb_status plumb_trust_create(const char *path, plumb_trust_change *change,
                                const plumb_trust_roots *roots, int64_t expires_s, plumb_error *err)
{
    plumb__trust_edit edit;
    PLUMB_TRY(check_roots(roots, err));
    plumb_status status = plumb__trust_edit_new(path, change, &edit, err);
    if (status == PLUMB_OK) {
        edit.document = json_pack("{s:o,s:{}}", "roots", roots_json(roots), "vendors");
        status = edit.document != NULL ? set_expiry(edit.document, expires_s, err)
                                       : plumb__trust_no_memory(err);
    }
    /* Nobody has roots before the first ones: they are the new ones of this version. */
    if (status == PLUMB_OK) status = plumb__trust_edit_commit(&edit, change, true, err);
    plumb__trust_edit_close(&edit);
    return status;
}

plumb_status plumb_trust_rotate(const char *path, plumb_trust_change *change,
                                const plumb_trust_roots *roots, plumb_error *err)
{
    plumb__trust_edit edit;
    PLUMB_TRY(check_roots(roots, err));
    plumb_status status = plumb__trust_edit_open(path, change, &edit, err);
    if (status == PLUMB_OK && plumb__trust_roots_are(edit.trust, roots)) {
        status = plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s: these are its roots already", path);
    }
    if (status == PLUMB_OK && json_object_set_new(edit.document, "roots", roots_json(roots)) != 0) {
        status = plumb__trust_no_memory(err);
    }
    if (status == PLUMB_OK) status = plumb__trust_edit_commit(&edit, change, true, err);
    plumb__trust_edit_close(&edit);
    return status;
}

plumb_status plumb_trust_renew(const char *path, plumb_trust_change *change, int64_t expires_s,
                               plumb_error *err)
{
    plumb__trust_edit edit;
    plumb_status status = plumb__trust_edit_open(path, change, &edit, err);
    if (status == PLUMB_OK) status = set_expiry(edit.document, expires_s, err);
    if (status == PLUMB_OK) status = plumb__trust_edit_commit(&edit, change, false, err);
    plumb__trust_edit_close(&edit);
    return status;
}

/* ---- keys ---- */

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
    if (a->valid_from != 0) {
        json_object_set_new(entry, "valid_from", plumb__trust_time_json(a->valid_from));
    }
    if (a->valid_until != 0) {
        json_object_set_new(entry, "valid_until", plumb__trust_time_json(a->valid_until));
    }
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

static plumb_status add_entry(json_t *document, const plumb_trust_addition *a, plumb_error *err)
{
    json_t *vendor = vendor_of(document, a->vendor), *entry = entry_json(a);
    if (vendor == NULL || entry == NULL ||
        json_array_append_new(json_object_get(vendor, "keys"), entry) != 0) {
        return plumb__trust_no_memory(err);
    }
    for (unsigned r = 0; a->threshold != 0 && r < PLUMB__ROLE_COUNT; r++) {
        if ((a->roles & (1u << r)) == 0) continue;
        json_object_set_new(json_object_get(vendor, "thresholds"), plumb_role_name(r),
                            json_integer(a->threshold));
    }
    return PLUMB_OK;
}

/* One key under two vendors is one thief's loot: whoever has it speaks for both, and could be the
 * witness of itself. Stores that have such keys are read; none is made. */
static plumb_status check_own_key(const char *path, const plumb_trust *trust,
                                  const plumb_trust_addition *a, plumb_error *err)
{
    for (size_t i = 0; i < trust->n_keys; i++) {
        const plumb_trust_key *k = &trust->keys[i];
        if (memcmp(&k->key, &a->key, sizeof k->key) != 0) continue;
        if (strcmp(k->vendor, a->vendor) == 0) continue; /* the reader refuses it */
        return plumb__fail(err, PLUMB_ERR_EXISTS,
                           "%s: this key is key %s of vendor %s already; a key stands under one "
                           "vendor, so make another one for vendor %s",
                           path, k->name, k->vendor, a->vendor);
    }
    return PLUMB_OK;
}

plumb_status plumb_trust_extend(const char *path, plumb_trust_change *change,
                                const plumb_trust_addition *addition, plumb_error *err)
{
    plumb__trust_edit edit;
    if (addition->size != sizeof *addition || addition->version != 1) {
        return plumb__fail(err, PLUMB_ERR_VERSION,
                           "plumb_trust_addition of unknown size or version");
    }
    if (addition->roles == 0 || addition->roles >= 1u << PLUMB__ROLE_COUNT) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a key must be given at least one known role");
    }
    PLUMB_TRY(plumb__name_check(path, "vendor", addition->vendor, err));
    PLUMB_TRY(plumb__name_check(path, "key name", addition->name, err));
    plumb_status status = plumb__trust_edit_open(path, change, &edit, err);
    if (status == PLUMB_OK) status = check_own_key(path, edit.trust, addition, err);
    if (status == PLUMB_OK) status = add_entry(edit.document, addition, err);
    if (status == PLUMB_OK) status = plumb__trust_edit_commit(&edit, change, false, err);
    plumb__trust_edit_close(&edit);
    return status;
}

void plumb_trust_addition_default(plumb_trust_addition *addition)
{
    *addition = (plumb_trust_addition){.size = sizeof *addition, .version = 1};
}

/* ---- revocation ---- */

static json_t *find_entry(json_t *document, const char *vendor, const char *name)
{
    json_t *keys =
        json_object_get(json_object_get(json_object_get(document, "vendors"), vendor), "keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        json_t *entry = json_array_get(keys, i);
        if (strcmp(json_string_value(json_object_get(entry, "name")), name) == 0) return entry;
    }
    return NULL;
}

/* Which names there are: most often one was mistyped. */
static plumb_status no_such_key(const char *path, const json_t *document, const char *vendor,
                                const char *name, plumb_error *err)
{
    const json_t *entry = json_object_get(json_object_get(document, "vendors"), vendor);
    const json_t *keys = json_object_get(entry, "keys");
    char list[400] = "";
    if (entry == NULL) {
        return plumb__fail(err, PLUMB_ERR_NOT_FOUND, "%s: has no vendor %s", path, vendor);
    }
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *other = json_string_value(json_object_get(json_array_get(keys, i), "name"));
        const size_t n = strlen(list), room = sizeof list - n;
        const bool fits = strlen(other) + sizeof ", , …" <= room;
        snprintf(list + n, room, "%s%s", n > 0 ? ", " : "", fits ? other : "…");
        if (!fits) break;
    }
    return plumb__fail(err, PLUMB_ERR_NOT_FOUND, "%s: vendor %s has no key %s; its keys are %s",
                       path, vendor, name, list);
}

/* Of a revoked entry: a later revocation takes nothing back. The time never rises, and a
 * retirement goes on to hold. */
static plumb_status keep_limits(json_t *entry, int64_t *at_s, plumb_error *err)
{
    json_t *retired = json_object_get(entry, "revoked_at");
    int64_t retired_s = 0;
    if (retired == NULL) return PLUMB_OK;
    (void)plumb__time_parse(json_string_value(retired), &retired_s); /* was read before */
    if (retired_s < *at_s) *at_s = retired_s;
    return json_object_set(entry, "retired_at", retired) == 0 ? PLUMB_OK
                                                              : plumb__trust_no_memory(err);
}

static plumb_status mark_revoked(const char *path, json_t *document, const char *vendor,
                                 const char *name, const char *reason, int64_t at_s,
                                 plumb_error *err)
{
    json_t *entry = find_entry(document, vendor, name);
    if (entry == NULL) {
        return no_such_key(path, document, vendor, name, err);
    }
    const char *before = json_string_value(json_object_get(entry, "reason"));
    if (before != NULL && (strcmp(before, "compromised") == 0 || strcmp(before, reason) == 0)) {
        return plumb__fail(err, PLUMB_ERR_STATE, "%s: key %s of vendor %s was revoked at %s (%s)",
                           path, name, vendor,
                           json_string_value(json_object_get(entry, "revoked_at")), before);
    }
    PLUMB_TRY(keep_limits(entry, &at_s, err));
    if (json_object_set_new(entry, "revoked_at", plumb__trust_time_json(at_s)) ||
        json_object_set_new(entry, "reason", json_string(reason))) {
        return plumb__trust_no_memory(err);
    }
    return PLUMB_OK;
}

plumb_status plumb_trust_revoke(const char *path, plumb_trust_change *change, const char *vendor,
                                const char *name, const char *reason, int64_t at_s,
                                plumb_error *err)
{
    plumb__trust_edit edit;
    if (strcmp(reason, "retired") != 0 && strcmp(reason, "compromised") != 0) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "a key is revoked as \"retired\" or \"compromised\", not as \"%.40s\"",
                           reason);
    }
    plumb_status status = plumb__trust_edit_open(path, change, &edit, err);
    if (status == PLUMB_OK) {
        status = mark_revoked(path, edit.document, vendor, name, reason,
                              at_s != 0 ? at_s : plumb__wall_s(), err);
    }
    if (status == PLUMB_OK) status = plumb__trust_edit_commit(&edit, change, false, err);
    plumb__trust_edit_close(&edit);
    return status;
}

/* ---- one root key that suffices ---- */

plumb_status plumb_trust_init(const char *path, const plumb_secret_key *root, int64_t expires_s,
                              plumb_error *err)
{
    plumb_trust_change change;
    plumb_public_key key;
    plumb_trust_change_default(&change);
    change.signers = &root;
    change.n_signers = 1;
    plumb_key_public(root, &key);
    return plumb_trust_create(path, &change, &(plumb_trust_roots){&key, 1, 1}, expires_s, err);
}

plumb_status plumb_trust_add(const char *path, const plumb_secret_key *root,
                             const plumb_trust_addition *addition, plumb_error *err)
{
    plumb_trust_change change;
    plumb_trust_change_default(&change);
    change.signers = &root;
    change.n_signers = 1;
    change.whole = true;
    return plumb_trust_extend(path, &change, addition, err);
}
