/* The writing half of the journal (states and invariants: journal.c) and what recovery must know
 * beyond journal.h. Inside provenance/ only. */
#ifndef PLUMB_PROVENANCE_JOURNAL_WRITE_H
#define PLUMB_PROVENANCE_JOURNAL_WRITE_H

#include "base/file.h"
#include "provenance/journal.h"

#define PLUMB__JOURNAL_FILE_HEADER_BYTES 104u
#define PLUMB__JOURNAL_FRAME_HEADER_BYTES 88u
#define PLUMB__JOURNAL_MAX_FILES 4096u
#define PLUMB__RUN_ID_BYTES 32u

/* Header fields in memory; the byte layout is in docs/formats/bundle.md section 4. */
typedef struct plumb__file_header {
    uint64_t file, offset;
    plumb__hash chain;
    char run_id[PLUMB__RUN_ID_BYTES + 1];
} plumb__file_header;

typedef struct plumb__frame_header {
    plumb__leaf_kind kind;
    uint32_t payload_bytes;
    uint64_t leaf, offset, durable;
    int64_t time_ns;
    plumb__hash chain;
} plumb__frame_header;

void plumb__file_header_store(const plumb__file_header *header, uint8_t *out);
bool plumb__file_header_load(const uint8_t *data, plumb__file_header *header);
/* Computes header->chain from `previous` and the payload's digest, then stores all 88 bytes. */
void plumb__frame_header_store(plumb__frame_header *header, const plumb__hash *previous,
                               const plumb__hash *payload_digest, uint8_t *out);
/* Magic, check, zeros and caps; the chain is the caller's to compare with plumb__frame_chain. */
bool plumb__frame_header_load(const uint8_t *data, plumb__frame_header *header);
plumb__hash plumb__frame_chain(const uint8_t *header_bytes, const plumb__hash *previous,
                               const plumb__hash *payload_digest);
/* "journal/NNNNNNNN.plj" below run_dir. */
plumb_status plumb__journal_path(const char *run_dir, uint64_t file, char *path,
                                 plumb_error *err) PLUMB_MUST_CHECK;

/* One file open for appending. Belongs to the recorder thread. */
typedef struct plumb__journal {
    char run_dir[PLUMB__PATH_BYTES], path[PLUMB__PATH_BYTES];
    char run_id[PLUMB__RUN_ID_BYTES + 1];
    int fd;              /* -1: none */
    uint64_t first_file; /* the lowest that exists */
    uint64_t file;       /* the one being written */
    uint64_t offset;     /* global, where the next byte goes */
    uint64_t durable;    /* global, everything below is synced */
    plumb__hash chain;
    uint64_t frames; /* in files first_file..file */
} plumb__journal;

/* Creates file number j->file at j->offset: header, sync, sync of the directory. */
plumb_status plumb__journal_create_file(plumb__journal *j, plumb_error *err) PLUMB_MUST_CHECK;
/* Writes one frame. `frame` has PLUMB__JOURNAL_FRAME_HEADER_BYTES free bytes, then the payload. */
plumb_status plumb__journal_append(plumb__journal *j, plumb__leaf_kind kind, uint64_t leaf,
                                   int64_t time_ns, uint8_t *frame, size_t payload_bytes,
                                   plumb__hash *payload_digest, plumb_error *err) PLUMB_MUST_CHECK;
/* Ends the commit group: fdatasync. */
plumb_status plumb__journal_sync(plumb__journal *j, plumb_error *err) PLUMB_MUST_CHECK;
/* After a seal: next file, then the covered ones are unlinked. */
plumb_status plumb__journal_rotate(plumb__journal *j, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__journal_close(plumb__journal *j);

/* What a scan found at the end, for the next writer. */
typedef struct plumb__journal_tail {
    uint64_t n_files, first_file, last_file; /* last_file: the one the whole frames end in */
    bool keep_last;                          /* false: its own header is torn, it is removed */
    uint64_t cut_at;                         /* bytes of last_file to keep */
    uint64_t cut_bytes;                      /* 0: nothing to cut */
    uint64_t later_files; /* files after last_file, of torn headers, to be removed */
    uint64_t offset;      /* global, end of what is kept */
    plumb__hash chain;
    char run_id[PLUMB__RUN_ID_BYTES + 1]; /* "" when there is no file */
} plumb__journal_tail;

plumb_status plumb__journal_scan_tail(const char *run_dir, plumb__frame_fn *visit, void *ctx,
                                      plumb__journal_summary *summary, plumb__journal_tail *tail,
                                      plumb_error *err) PLUMB_MUST_CHECK;

#endif
