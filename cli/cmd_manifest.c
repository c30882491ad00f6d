/* plumb manifest VERB: finds the verb and hands over. */
#include "cli/dispatch.h"
#include "cli/manifest/manifest_verbs.h"

/* To add a verb: its function in manifest_verbs.h, its line here, its file manifest_NAME.c. */
static const plumb__verb verbs[] = {
    {"sign", plumb__manifest_verb_sign, "check every record and sign the records file"},
    {"payload", plumb__manifest_verb_payload, "write the bytes to sign with a key kept elsewhere"},
    {"attach", plumb__manifest_verb_attach, "put on a signature that was made elsewhere"},
    {"verify", plumb__manifest_verb_verify, "check signatures, digests, tree and every record"},
    {"show", plumb__manifest_verb_show, "what a manifest says, and why a record has its terms"},
    {"diff", plumb__manifest_verb_diff, "what two manifests share, and how they differ"},
    {"withdraw", plumb__manifest_verb_withdraw, "take records back by a signed statement"},
    {"receipt", plumb__manifest_verb_receipt, "how a run governed a vendor's records: issue, show"},
    {"prove", plumb__manifest_verb_prove, "prove that one record is in a manifest"},
    {"index", plumb__manifest_verb_index, "make the tile store from which proofs are quick"},
    {"import", plumb__manifest_verb_import, "make a records file of an annotation export"},
    {"export", plumb__manifest_verb_export, "describe a manifest for other tools (Croissant)"},
};

static const char opening[] = "usage: plumb manifest VERB ...\n\nverbs:\n";

static const char closing[] =
    "\nplumb manifest VERB --help says more.\n\n"
    "example: plumb manifest verify records.plumb.json --trust trust.json\n";

int plumb__cmd_manifest(int argc, char **argv)
{
    static const plumb__verbs all = {.command = "manifest",
                                     .list = verbs,
                                     .n = sizeof verbs / sizeof *verbs,
                                     .opening = opening,
                                     .closing = closing};
    return plumb__dispatch(&all, argc, argv);
}
