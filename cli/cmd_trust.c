/* plumb trust VERB: finds the verb and hands over. */
#include "cli/dispatch.h"
#include "cli/trust/trust_verbs.h"

/* To add a verb: its function in trust_verbs.h, its line here, its file trust_NAME.c. */
static const plumb__verb verbs[] = {
    {"init", plumb__trust_verb_init, "make a store under one or more root keys"},
    {"add", plumb__trust_verb_add, "add a vendor's key with its roles"},
    {"revoke", plumb__trust_verb_revoke, "retire a key, or declare it compromised"},
    {"rotate", plumb__trust_verb_rotate, "exchange root keys, signed by the old and the new"},
    {"renew", plumb__trust_verb_renew, "change when the store expires"},
    {"sign", plumb__trust_verb_sign, "add a root signature to a change that waits for it"},
    {"pin", plumb__trust_verb_pin, "remember a store whose root fingerprint you checked"},
    {"show", plumb__trust_verb_show, "roots, keys, thresholds, and what was seen here"},
};

static const char opening[] =
    "usage: plumb trust VERB STORE ...\n\n"
    "A trust store says whose signatures count, for what, and from when to when. Its root "
    "keys\n"
    "sign it; compare its root fingerprint with one that you got another way.\n\nverbs:\n";

static const char closing[] = "\nplumb trust VERB --help says more.\n\n"
                              "example: plumb trust init trust.json --root keys/root.key\n";

int plumb__cmd_trust(int argc, char **argv)
{
    static const plumb__verbs all = {.command = "trust",
                                     .list = verbs,
                                     .n = sizeof verbs / sizeof *verbs,
                                     .opening = opening,
                                     .closing = closing};
    return plumb__dispatch(&all, argc, argv);
}
