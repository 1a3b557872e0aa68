/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Introspection with documentation: sd-bus's vtables have no place for it, so cvmd answers Introspect for its own
 * objects; the nodes between them are left to sd-bus.
 */
#ifndef CVMD_BUS_INTROSPECT_H
#define CVMD_BUS_INTROSPECT_H

#include "util.h"

#include <stdio.h>

/* An interface and where it is. */
struct bus_place {
    const char *path; /* of the object, or with @find what all paths of such objects begin with */
    const char *interface;
    const sd_bus_vtable *vtable;
    sd_bus_object_find_t find; /* NULL: one object */
    sd_bus_node_enumerator_t enumerate;
};
extern const struct bus_place bus_places[];
extern const size_t nr_bus_places;

/* What the introspection says of it, NULL: nothing. @member NULL: the interface itself. */
const char *bus_doc(const char *interface, const char *member);
/* The @i-th text as "INTERFACE.MEMBER" or "INTERFACE", for tests; NULL behind the last. */
const char *bus_doc_name(size_t i);

/* The element <interface> of @place. 0 or a negative errno. */
int bus_introspect_interface(FILE *f, const struct bus_place *place);

/* An sd_bus filter: answers Introspect for objects of bus_places. @userdata: of the places. */
int bus_introspect(sd_bus_message *call, void *userdata, sd_bus_error *error);

#endif
