/* The directory against the last inventory. A closed run has exactly the listed files, seals.jsonl
 * and head. An open one may have more, each accounted for by docs/formats/bundle.md section 9. */
#include "provenance/verify.h"

#include "base/alloc.h"
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_DIRECTORY_DEPTH 16

/* ---- what is there ------------------------------------------------------------------------ */

static bool starts(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_temporary(const char *name)
{
    const size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

static plumb_status note_file(const char *relative, uint64_t size_bytes, void *ctx,
                              plumb_error *err)
{
    plumb__verify *v = ctx;
    PLUMB_TRY(
        plumb__grow(&v->found, &v->found_capacity, v->n_found + 1, sizeof *v->found, "files", err));
    plumb__found_file *file = &v->found[v->n_found];
    *file = (plumb__found_file){.size_bytes = size_bytes};
    PLUMB_TRY(plumb__strdup(&file->name, relative, err));
    v->n_found++;
    return PLUMB_OK;
}

const plumb__found_file *plumb__verify_found(const plumb__verify *v, const char *name)
{
    size_t low = 0, high = v->n_found;
    while (low < high) {
        const size_t at = low + (high - low) / 2;
        const int order = strcmp(name, v->found[at].name);
        if (order == 0) return &v->found[at];
        if (order < 0)
            high = at;
        else
            low = at + 1;
    }
    return NULL;
}

static plumb_status hash_found(plumb__verify *v, plumb__found_file *file, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, v->dir, file->name, err));
    return plumb__hash_file(path, &file->blake2b, NULL, &file->size_bytes, err);
}

/* ---- listed files ------------------------------------------------------------------------- */

/* Reopening appends a certificate before the next inventory: what was listed is then a prefix, and
 * the new lines have been checked one by one. */
static bool is_grown_certificates(const plumb__verify *v, const plumb__inventory_file *listed)
{
    if (strcmp(listed->name, "certificates") != 0) return false;
    if (listed->bytes > v->certificate_bytes.size) return false;
    const plumb__hash prefix = plumb__blake2b(v->certificate_bytes.data, listed->bytes);
    return plumb__hash_equal(&prefix, &listed->blake2b);
}

static plumb_status compare(const plumb__verify *v, const plumb__inventory_file *listed,
                            const plumb__found_file *file, plumb__seal_state phase,
                            plumb_error *err)
{
    if (file->size_bytes == listed->bytes && plumb__hash_equal(&file->blake2b, &listed->blake2b))
        return PLUMB_OK;
    if (phase != PLUMB__SEAL_CLOSED && is_grown_certificates(v, listed)) return PLUMB_OK;
    if (phase == PLUMB__SEAL_OPEN && starts(listed->name, "checkpoints/"))
        return PLUMB_OK; /* a rewound run writes its steps again: left to the leaves (stage 5) */
    if (file->size_bytes != listed->bytes)
        return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: has %llu bytes, but %llu were sealed",
                           listed->name, (unsigned long long)file->size_bytes,
                           (unsigned long long)listed->bytes);
    return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: its bytes are not those that were sealed",
                       listed->name);
}

static plumb_status check_listed(plumb__verify *v, const plumb__inventory_file *listed,
                                 plumb__seal_state phase, plumb_error *err)
{
    plumb__found_file *file = (plumb__found_file *)(uintptr_t)plumb__verify_found(v, listed->name);
    if (file == NULL) {
        if (phase == PLUMB__SEAL_MERGED && starts(listed->name, "segments/")) return PLUMB_OK;
        return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: is listed in the inventory, but missing",
                           listed->name);
    }
    PLUMB_TRY(hash_found(v, file, err));
    return compare(v, listed, file, phase, err);
}

plumb_status plumb__verify_listed(plumb__verify *v, const char *name, plumb_error *err)
{
    const plumb__inventory *inventory = plumb__record_inventory(v->record);
    const plumb__inventory_file *listed = plumb__inventory_find(inventory, name);
    plumb__found_file file = {.name = (char *)(uintptr_t)name};
    if (listed == NULL)
        return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: is in the bundle, but in no inventory",
                           name);
    PLUMB_TRY(hash_found(v, &file, err));
    return compare(v, listed, &file, plumb__verify_state(v), err);
}

/* ---- files that no inventory lists -------------------------------------------------------- */

/* Checkpoints are left to their leaves (stage 5). */
static bool is_tolerated(const char *name, plumb__seal_state phase)
{
    if (strcmp(name, "seals.jsonl") == 0 || strcmp(name, "head") == 0) return true;
    if (phase == PLUMB__SEAL_CLOSED) return false;
    return starts(name, "journal/") || is_temporary(name) || starts(name, "checkpoints/") ||
           (phase == PLUMB__SEAL_OPEN &&
            (starts(name, "segments/") || strcmp(name, "provenance.h5") == 0));
}

static plumb_status check_found(plumb__verify *v, plumb__found_file *file,
                                const plumb__inventory *inventory, plumb_error *err)
{
    if (plumb__inventory_find(inventory, file->name) != NULL) return PLUMB_OK;
    if (!is_tolerated(file->name, plumb__verify_state(v)))
        return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: is in the bundle, but in no inventory",
                           file->name);
    if (starts(file->name, "journal/") || plumb__verify_state(v) == PLUMB__SEAL_CLOSED ||
        strcmp(file->name, "seals.jsonl") == 0 || strcmp(file->name, "head") == 0)
        return PLUMB_OK; /* read and checked elsewhere */
    if (starts(file->name, "checkpoints/")) {
        const plumb_status status = hash_found(v, file, err);
        if (status != PLUMB_ERR_NOT_FOUND) return status;
        file->size_bytes = UINT64_MAX; /* a living writer has renamed it: it fits no leaf */
        return PLUMB_OK;
    }
    plumb__bytes_appendf(
        &v->notes, "%s: left over from an interrupted write, not part of the record\n", file->name);
    return PLUMB_OK;
}

/* ---- directories -------------------------------------------------------------------------- */

static bool may_be_empty(const char *relative, plumb__seal_state phase)
{
    return phase != PLUMB__SEAL_CLOSED || strcmp(relative, "checkpoints") == 0 ||
           strcmp(relative, "evidence") == 0;
}

/* Empty directories escape a walk over files, but they too were added by someone. */
static plumb_status check_directory(const char *dir, const char *relative, plumb__seal_state phase,
                                    int depth, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES], below[PLUMB__PATH_BYTES];
    plumb_status status = PLUMB_OK;
    size_t n = 0;
    if (depth > MAX_DIRECTORY_DEPTH)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: directories are nested too deeply", relative);
    PLUMB_TRY(plumb__path_join(path, dir, *relative == '\0' ? "." : relative, err));
    DIR *stream = opendir(path);
    if (stream == NULL) return plumb__fail_errno(err, "%s: cannot be listed", path);
    for (struct dirent *entry; status == PLUMB_OK && (entry = readdir(stream)) != NULL;) {
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        n++;
        if (fstatat(dirfd(stream), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISDIR(info.st_mode))
            continue;
        if (*relative == '\0')
            status = plumb__path_join(below, "", entry->d_name, err);
        else
            status = plumb__path_join(below, relative, entry->d_name, err);
        const char *name = below[0] == '/' ? below + 1 : below;
        if (status == PLUMB_OK) status = check_directory(dir, name, phase, depth + 1, err);
    }
    closedir(stream);
    if (status == PLUMB_OK && n == 0 && !may_be_empty(relative, phase))
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "%s: an empty directory that no inventory explains", relative);
    return status;
}

/* ---- the stage ---------------------------------------------------------------------------- */

plumb_status plumb__verify_files(plumb__verify *v, plumb_error *err)
{
    const plumb__inventory *inventory = plumb__record_inventory(v->record);
    PLUMB_TRY(plumb__dir_walk(v->dir, PLUMB__MAX_INVENTORY_FILES, note_file, v, err));
    for (size_t i = 0; i < inventory->n_files; i++)
        PLUMB_TRY(check_listed(v, &inventory->files[i], plumb__verify_state(v), err));
    for (size_t i = 0; i < v->n_found; i++)
        PLUMB_TRY(check_found(v, &v->found[i], inventory, err));
    PLUMB_TRY(check_directory(v->dir, "", plumb__verify_state(v), 0, err));
    const size_t torn = plumb__record_torn_seal(v->record);
    if (torn == 0) return PLUMB_OK;
    if (plumb__verify_state(v) == PLUMB__SEAL_CLOSED)
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "seals.jsonl: %zu bytes follow the last inventory of a closed run",
                           torn);
    plumb__bytes_appendf(&v->notes, "seals.jsonl: the last %zu bytes are a torn write\n", torn);
    return PLUMB_OK;
}
