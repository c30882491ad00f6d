/* plumb manifest attach */
#include "cli/manifest/manifest_verbs.h"

static const char help_text[] =
    "usage: plumb manifest attach RECORDS.jsonl --payload NAME.plumb.payload --signature SIG.bin\n"
    "                             --key K.pub [--checkpoint-signature SIG2.bin]\n"
    "\n"
    "Puts on a signature that was made elsewhere over what plumb manifest payload wrote: SIG.bin "
    "is\n"
    "the 64 raw bytes over NAME.plumb.pae, SIG2.bin those over NAME.checkpoint.body. Nothing is\n"
    "written unless both hold and the records are those of the payload. Several signers may "
    "attach\n"
    "one after another.\n"
    "\n"
    "example: plumb manifest attach records.jsonl --payload records.plumb.payload --key acme.pub "
    "\\\n"
    "             --signature pae.sig --checkpoint-signature body.sig\n";

typedef struct arguments {
    const char *path, *key;
    plumb_attachment attachment;
    bool help;
} arguments;

static bool take_option(int option, arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'k': out->key = optarg; return true;
    case 'p': out->attachment.payload_path = optarg; return true;
    case 's': out->attachment.signature_path = optarg; return true;
    case 'c': out->attachment.checkpoint_signature_path = optarg; return true;
    default: return plumb__cli_take(option, optarg);
    }
}

static int parse(int argc, char **argv, arguments *out)
{
    static const char verb[] = "manifest attach";
    static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                            {"payload", required_argument, NULL, 'p'},
                                            {"signature", required_argument, NULL, 's'},
                                            {"checkpoint-signature", required_argument, NULL, 'c'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt(verb, argc, argv, ":h", options)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (argc - optind != 1) return plumb__cli_usage(verb, "manifest attach wants one records file");
    out->path = argv[optind];
    if (out->key == NULL || out->attachment.payload_path == NULL ||
        out->attachment.signature_path == NULL)
        return plumb__cli_usage(verb, "manifest attach wants --payload, --signature and --key");
    return 0;
}

int plumb__manifest_verb_attach(int argc, char **argv)
{
    arguments a = {0};
    plumb_error err = {0};
    plumb_attachment_default(&a.attachment);
    const int wrong = parse(argc, argv, &a);
    if (wrong != 0) return wrong;
    if (a.help) return plumb__cli_help(help_text);
    plumb_status status = plumb_public_key_read(a.key, &a.attachment.key, &err);
    if (status == PLUMB_OK) status = plumb_manifest_attach(a.path, &a.attachment, &err);
    if (status != PLUMB_OK) {
        (void)plumb__cli_fail(&err);
        return plumb__cli_verdict(status);
    }
    plumb__cli_say("attached the signature of %s to the manifest of %s", a.key, a.path);
    if (a.attachment.checkpoint_signature_path == NULL)
        plumb__cli_say("plumb: without --checkpoint-signature this signer has no line in the "
                       "checkpoint, and proofs do not count it");
    return plumb__cli_done(PLUMB__EXIT_OK);
}
