/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Server-sent events: the audit log as a stream. Each client of cvmd's has one feed, which reads what is new once for
 * all its followers; a follower that is behind reads the log by itself until it has caught up. So nothing is lost,
 * however slow it is and whoever restarts.
 */
#ifndef CVMD_REST_EVENTS_H
#define CVMD_REST_EVENTS_H

#include "rest.h"

struct follower;
struct request;

void follower_free(struct follower *f);

/* cvmd has a new entry, or came anew. */
void events_wake(struct rest *rest);
/* A comment to each follower, so that those that are gone are noticed. */
void events_keep_alive(struct rest *rest);
void events_end(struct rest *rest);

/* One audit entry from a message: 1, 0 at the end of the array, negative. */
int audit_entry_read(sd_bus_message *m, json_object **ret, uint64_t *id, const char **event);
#define AUDIT_ENTRY "(ttssssusssatt)"

#endif
