/* The records file of a manifest: read, checked against what was signed, then its lines. */
#include "manifest/files.h"
#include "manifest/manifest_object.h"

#include <string.h>

static plumb_status load(const char *path, const plumb__private *private_file, plumb_manifest *m,
                         plumb_error *err)
{
    PLUMB_TRY(plumb__record_file_open(path, &m->statement.records, private_file, &m->taxonomy,
                                      &m->table, &m->file, err));
    plumb__hash_hex(&m->file.identity.blake2b, m->records_hex);
    plumb__hash_hex(&m->file.identity.root, m->root_hex);
    return PLUMB_OK;
}

plumb_status plumb__manifest_open_records(const char *path, const plumb_manifest_options *options,
                                          plumb_manifest *m, plumb_error *err)
{
    char beside[PLUMB__PATH_BYTES], private_beside[PLUMB__PATH_BYTES];
    const char *given = options->private_path;
    plumb__private *private_file = NULL;
    PLUMB_TRY(plumb__manifest_path(path, ".jsonl", beside, err));
    PLUMB_TRY(plumb__manifest_path(path, ".private.jsonl", private_beside, err));
    PLUMB_TRY(plumb__taxonomy_read("taxonomy", m->statement.taxonomy, &m->taxonomy, err));
    PLUMB_TRY(plumb__private_open(given != NULL ? given : private_beside, given != NULL,
                                  &private_file, err));
    const plumb_status status =
        load(options->records_path != NULL ? options->records_path : beside, private_file, m, err);
    plumb__private_free(private_file);
    return status;
}

const void *plumb__manifest_bytes(const plumb_manifest *m, plumb__manifest_part part,
                                  size_t *size_bytes)
{
    const plumb__bytes *bytes = part == PLUMB__MANIFEST_ENVELOPE     ? &m->envelope
                                : part == PLUMB__MANIFEST_CHECKPOINT ? &m->checkpoint
                                                                     : &m->withdrawals.file;
    *size_bytes = bytes->size;
    return bytes->size > 0 ? bytes->data : NULL;
}

uint64_t plumb__manifest_records_bytes(const plumb_manifest *m)
{
    return m->file.identity.bytes;
}

plumb_status plumb__manifest_read_records(const plumb_manifest *m, plumb__bytes *out,
                                          plumb_error *err)
{
    return plumb__record_file_read(&m->file, out, err);
}
