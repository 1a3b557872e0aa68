/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One action of the manager: what it writes, entries of the audit log included, is one commit; nobody is told of it
 * on the bus before that is durable. Changes do not nest.
 */
#ifndef CVMD_CHANGE_H
#define CVMD_CHANGE_H

#include <stdbool.h>

struct manager;

/* A negative errno: the store cannot be written, and nothing was begun. */
int change_begin(struct manager *m);
/* A failure has undone it in the store, and it is written later. */
int change_commit(struct manager *m);

/* The same, committed once a kill of cvmd cannot take it back; then change_sync() must follow, before the turn of the
 * event loop ends. If the commit fails, the caller undoes what is in memory, and change_undo() must follow. */
int change_begin_relaxed(struct manager *m);
int change_sync(struct manager *m);
/* Instead of the commit: nothing is written, nobody hears of it. */
void change_undo(struct manager *m);

#endif
