/* NAME.tiles: what makes a proof about one record quick. The record tree's hashes in tiles of 256
 * (as tlog-tiles has them), where each line begins, and an index of ids. Made from the records
 * file, never signed and never trusted: whatever is read from it is checked against the signed root
 * before it is handed out. Format: docs/formats/proofs.md. */
#ifndef PLUMB_MANIFEST_TILES_H
#define PLUMB_MANIFEST_TILES_H

#include "base/file.h"
#include "manifest/proofs/merkle.h"
#include "manifest/signing/statement.h"

#define PLUMB__TILES_MAGIC "PLUMBTIL"
#define PLUMB__TILES_HEADER_BYTES 128
#define PLUMB__TILES_KEY_BYTES 16
#define PLUMB__TILES_LEVELS 5 /* 256^5 is above the largest count */
#define PLUMB__TILES_MAX_COUNT ((uint64_t)UINT32_MAX - 1)

typedef struct plumb__tiles_header {
    uint64_t count, records_bytes;
    plumb__hash root, sha256; /* of the tree, of the records file */
    uint8_t id_key[PLUMB__TILES_KEY_BYTES];
} plumb__tiles_header;

/* Where the parts begin: all follows from the count. */
typedef struct plumb__tiles_layout {
    uint64_t level_at[PLUMB__TILES_LEVELS], level_n[PLUMB__TILES_LEVELS]; /* hashes */
    uint64_t lines_at, ids_at, numbers_at, file_bytes;
} plumb__tiles_layout;

typedef struct plumb__tiles {
    int fd; /* -1: closed */
    char path[PLUMB__PATH_BYTES];
    plumb__tiles_header header;
    plumb__tiles_layout layout;
} plumb__tiles;

void plumb__tiles_lay_out(uint64_t count, plumb__tiles_layout *out);
/* The first 128 bytes of a file of file_bytes. */
plumb_status plumb__tiles_header_parse(const char *what, const void *data, size_t n,
                                       uint64_t file_bytes, plumb__tiles_header *out,
                                       plumb_error *err) PLUMB_MUST_CHECK;
void plumb__tiles_header_dump(const plumb__tiles_header *header,
                              uint8_t out[PLUMB__TILES_HEADER_BYTES]);
/* The index's hash of an id. */
uint64_t plumb__tiles_id_hash(const plumb__tiles_header *header, const char *id, size_t n);

/* Opens the file if it is of these records (else PLUMB_ERR_MISMATCH; NOT_FOUND when there is none).
 * One thread at a time reads. */
plumb_status plumb__tiles_open(const char *path, const plumb__records_identity *records,
                               plumb__tiles *out, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__tiles_close(plumb__tiles *tiles);
/* Goes once over the records file, which must be the one that was signed, and writes the tiles
 * whole or not at all. Memory: 16 bytes a record, besides the longest line. */
plumb_status plumb__tiles_build(const char *path, const char *records_path,
                                const plumb__records_identity *records,
                                plumb_error *err) PLUMB_MUST_CHECK;

/* The inclusion path of record `index` (at most 64 hashes); true only if the tiles are. */
plumb_status plumb__tiles_path(const plumb__tiles *tiles, uint64_t index, plumb__hash path[64],
                               size_t *length, plumb_error *err) PLUMB_MUST_CHECK;
/* Where the line of a record lies in the records file, without its LF. */
plumb_status plumb__tiles_line(const plumb__tiles *tiles, uint64_t index, uint64_t *from,
                               size_t *length, plumb_error *err) PLUMB_MUST_CHECK;
/* The records that may have this id, at most 16; which one has it, its line says. */
#define PLUMB__TILES_CANDIDATES 16
plumb_status plumb__tiles_find(const plumb__tiles *tiles, const char *id, size_t id_bytes,
                               uint32_t found[PLUMB__TILES_CANDIDATES], size_t *n,
                               plumb_error *err) PLUMB_MUST_CHECK;

#endif
