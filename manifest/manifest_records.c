/* The records file of a manifest: read, checked against what was signed, then its lines. */
#include "base/alloc.h"
#include "manifest/files.h"
#include "manifest/manifest_object.h"

#include <inttypes.h>
#include <unistd.h>

/* One read of exactly the signed size; what is hashed is what is parsed later. */
static plumb_status read_records(const char *path, plumb_manifest *m, plumb_error *err)
{
    int fd = -1;
    uint64_t size = 0;
    const uint64_t expected = m->statement.records.bytes;
    PLUMB_TRY(plumb__file_open(path, false, &fd, &size, err));
    plumb_status status = PLUMB_OK;
    if (size != expected) {
        status = plumb__fail(err, size < expected ? PLUMB_ERR_TRUNCATED : PLUMB_ERR_DIGEST,
                             "%s: has %" PRIu64 " bytes, %" PRIu64 " were signed: the file was %s",
                             path, size, expected, size < expected ? "cut short" : "added to");
    }
    if (status == PLUMB_OK) status = plumb__alloc(&m->records, size, 1, "records", err);
    if (status == PLUMB_OK) status = plumb__fd_read_at(fd, m->records, size, 0, path, err);
    if (status == PLUMB_OK) m->records_bytes = size;
    close(fd);
    return status;
}

static plumb_status check_records(const char *path, plumb_manifest *m, plumb_error *err)
{
    const plumb__records_identity *expected = &m->statement.records;
    plumb__records_identity found;
    uint64_t lines = 0;
    const plumb__hash sha256 = plumb__sha256(m->records, m->records_bytes);
    /* Before its lines are looked at: a changed byte is a changed byte, wherever it stands. */
    if (!plumb__hash_equal(&sha256, &expected->sha256)) {
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "%s: is not the file that was signed (SHA-256 differs): restore it, or "
                           "sign it as a new version",
                           path);
    }
    PLUMB_TRY(plumb__lines_check(path, m->records, m->records_bytes, &lines, err));
    plumb__records_identify(m->records, m->records_bytes, lines, &found);
    plumb__hash_hex(&found.blake2b, m->records_hex);
    plumb__hash_hex(&found.root, m->root_hex);
    const char *wrong = NULL;
    if (!plumb__hash_equal(&found.blake2b, &expected->blake2b)) wrong = "BLAKE2b digest";
    if (!plumb__hash_equal(&found.root, &expected->root)) wrong = "tree root";
    if (found.count != expected->count) wrong = "number of records";
    if (wrong == NULL) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: the statement's %s is not that of the file",
                       path, wrong);
}

static plumb_status read_table(const char *envelope_path, const char *records_path,
                               const char *private_path, plumb_manifest *m, plumb_error *err)
{
    char beside[PLUMB__PATH_BYTES];
    plumb__private *private_file = NULL;
    PLUMB_TRY(plumb__manifest_path(envelope_path, ".private.jsonl", beside, err));
    PLUMB_TRY(plumb__private_open(private_path != NULL ? private_path : beside,
                                  private_path != NULL, &private_file, err));
    const plumb_status status =
        plumb__table_read(records_path, m->records, m->records_bytes, m->statement.records.count,
                          private_file, &m->taxonomy, &m->table, err);
    plumb__private_free(private_file);
    return status;
}

plumb_status plumb__manifest_open_records(const char *path, const plumb_manifest_options *options,
                                          plumb_manifest *m, plumb_error *err)
{
    char records_path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__manifest_path(path, ".jsonl", records_path, err));
    const char *where = options->records_path != NULL ? options->records_path : records_path;
    PLUMB_TRY(read_records(where, m, err));
    PLUMB_TRY(check_records(where, m, err));
    PLUMB_TRY(plumb__taxonomy_read("taxonomy", m->statement.taxonomy, &m->taxonomy, err));
    return read_table(path, where, options->private_path, m, err);
}

const void *plumb__manifest_bytes(const plumb_manifest *m, plumb__manifest_part part,
                                  size_t *size_bytes)
{
    const plumb__bytes *bytes = part == PLUMB__MANIFEST_ENVELOPE     ? &m->envelope
                                : part == PLUMB__MANIFEST_CHECKPOINT ? &m->checkpoint
                                                                     : &m->withdrawals.file;
    const void *data = part == PLUMB__MANIFEST_RECORDS ? m->records : (void *)bytes->data;
    *size_bytes = part == PLUMB__MANIFEST_RECORDS ? m->records_bytes : bytes->size;
    return *size_bytes > 0 ? data : NULL;
}
