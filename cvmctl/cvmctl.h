/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the verbs share. A verb is a function int verb_NAME(int argc, char **argv): argv[0] is its full name;
 * it reads its options with verb_getopt(), prints its errors and returns the exit status.
 */
#ifndef CVMCTL_CVMCTL_H
#define CVMCTL_CVMCTL_H

#include "attest/util.h"
#include "verb.h"

#include <json-c/json.h>
#include <stdbool.h>

/* Exit statuses; `cvmctl verify` has its own for the verdict. cvmctl(1) documents them. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NO_MACHINE = 3,
    EXIT_NO_DAEMON = 4,
    EXIT_REFUSED = 5,
};

/* Common options. */
extern bool arg_json, arg_quiet;
/* Check the options and do nothing: for the lint of examples. */
extern bool arg_parse_only;

/* The families: arrays that end with a verb without a name. */
extern const struct verb machine_verbs[], image_verbs[], operation_verbs[], host_verbs[], config_verbs[],
    event_verbs[], client_verbs[], top_verbs[], audit_verbs[], tenant_verbs[], enrol_verbs[], policy_verbs[],
    broker_verbs[], key_verbs[], about_verbs[];

/* Verbs and options whose family's array stands in another file: machine.c, verify.c. */
int verb_launch(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_show(int argc, char **argv);
int verb_console(int argc, char **argv);
int verb_set(int argc, char **argv);
int verb_action(int argc, char **argv);
int verb_report(int argc, char **argv);
int verb_endorsement(int argc, char **argv);
int verb_activate(int argc, char **argv);
int verb_digest(int argc, char **argv);
int verb_images_encrypt(int argc, char **argv);
extern const struct verb_option list_options[], console_options[], stop_options[], delete_options[], report_options[], endorsement_options[],
    digest_options[], encrypt_options[];

/* Takes an option of remote_options. -1 to go on, or the exit status. */
int remote_option_take(int opt, const char *arg);

/* --- say.c --- */

/* printf() of words about a success: nothing with --json or --quiet. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What fail() does not print: errors of this status, which are expected; 0 for none. */
extern int silent_status;
/* --json stands on the line, though nobody has parsed it yet. */
extern bool errors_as_json;

/* "cvmctl VERB: text" on standard error, with --json {"error", "verb", "status"}; @verb "" for none. Returns @status. */
int fail(const char *verb, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same for a usage error, with a hint at --help. Returns EXIT_USAGE. */
int usage_error(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* An object of strings: key, value (NULL: null), ..., NULL. */
json_object *members(const char *key, ...) __attribute__((sentinel));
/* The end of a verb whose product is elsewhere: @o with --json, words without, neither with --quiet. Takes @o, returns an
 * exit status. */
int done(json_object *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The end of a verb that wrote @path without a word: {"file"} with --json, nothing if it was standard output ("-"). */
int wrote(const char *path);
/* Whether standard output leads to nobody any more: for what waits for more to print. */
bool nobody_reads(void);

CVM_DEFINE_CLEANUP(json_object *, json_object_put)
#define _cleanup_free_ _cleanup_(cvm_freep)
#define _cleanup_json_ _cleanup_(json_object_putp)

/* The exit status for an error of cvmd or of the bus, by its D-Bus name. */
int error_status(const char *name);

/* Pure parsers of arguments. */
/* "512M", "1G", "1024" (MiB) to bytes; -EINVAL, -ERANGE. */
int parse_memory(const char *s, uint64_t *ret);
/* Decimal, within [min, max]; -EINVAL, -ERANGE. */
int parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
/* Whether @s is one of @words, "A|B|C" as in the table of verbs. */
bool is_one_of(const char *s, const char *words);
/* 64 bytes: 128 hexadecimal digits, or a file with the bytes or such digits. */
#define NONCE_SIZE 64u
int parse_nonce(const char *arg, uint8_t nonce[NONCE_SIZE], struct cvm_error *e);

#endif
