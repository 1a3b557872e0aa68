/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bodies that describe a machine: checked in form here, in substance by cvmd. The first three are pure.
 */
#ifndef CVMD_REST_BODY_H
#define CVMD_REST_BODY_H

#include "rest.h"

/**
 * body_create - of POST /v1/machines
 * @name: lent by @o
 * @start: true unless "start" says otherwise
 *
 * Returns 0 or -EINVAL with @e.
 */
int body_create(json_object *o, const char **name, bool *start, struct cvm_error *e);
/* Of PATCH if @patch: "name" and "start" are no members of it, and what cannot be changed is refused. 0, -EINVAL. */
int body_check_options(json_object *o, bool patch, struct cvm_error *e);
/* The members as options, a{sv}; @o has been checked. */
int body_append_options(sd_bus_message *m, json_object *o);

#endif
