/* Receipts on the command line: issued from a run, shown and verified without one. */
#ifndef PLUMB_CLI_RECEIPT_VIEW_H
#define PLUMB_CLI_RECEIPT_VIEW_H

#include "cli/commands.h"
#include "manifest/plumb_receipt.h"

typedef struct plumb__receipt_arguments {
    const char *path; /* of the run, or of the receipt */
    const char *vendor, *key, *passphrase_file, *trust, *manifest, *out;
    uint64_t min_group;
    bool untrusted, help;
} plumb__receipt_arguments;

/* Makes one from the run at `path`; the exit code. */
int plumb__receipt_issue(const plumb__receipt_arguments *a);

/* A receipt and whether it is about the manifest that was given. */
typedef struct plumb__receipt_view {
    plumb_receipt *receipt;
    uint32_t later; /* withdrawals of the manifest that the run did not know */
    bool covers;    /* a manifest was given, and it is that one */
    char fingerprint[65];
} plumb__receipt_view;
/* Opens it under the store (NULL: signer not checked), against the manifest where one is given. */
plumb_status plumb__receipt_view_open(const char *path, const char *trust, const char *manifest,
                                      plumb__receipt_view *view, plumb_error *err);
void plumb__receipt_view_free(plumb__receipt_view *view);
/* Who signed it and what it is about; and everything it says. */
void plumb__receipt_print_head(const plumb__receipt_view *view);
void plumb__receipt_print_all(const plumb__receipt_view *view);

#endif
