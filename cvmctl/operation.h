/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations: what verbs ask cvmd for, and wait for.
 */
#ifndef CVMCTL_OPERATION_H
#define CVMCTL_OPERATION_H

#include "transport.h"

/* --wait and --no-wait, for verbs whose work is an operation. */
extern const struct verb_option wait_options[];
enum { OPT_WAIT = OPTION_SHARED + 100, OPT_NO_WAIT };

/**
 * operation_run - ask for something, and wait until it is done
 * @wait: false: return when cvmd has taken it
 * @result: properties of the operation as it was last seen, or NULL if there is none; may be NULL. The caller
 * puts it
 *
 * Progress goes to standard error: a bar on a terminal, else lines; nothing with --quiet. Ctrl-C leaves the
 * operation to cvmd and says how to follow it. Returns 0, or prints and returns an exit status: that of the
 * operation's error if it failed.
 */
int operation_run(struct transport *t, const struct request *q, bool wait, json_object **result);
/* The same for an operation that runs already. */
int operation_wait(struct transport *t, const char *verb, const char *id, json_object **result);

/* Whether it ended well. */
bool operation_is_done(json_object *properties);

json_object *operation_to_json(json_object *properties);
/* The id alone, for --no-wait. */
void print_operation_id(json_object *properties);

#endif
