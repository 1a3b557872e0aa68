/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-introspect.h"

#include <errno.h>
#include <string.h>

/* What sd-bus answers for every object. */
static const char head[] =
    "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
    "\"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
    "<node>\n"
    " <interface name=\"org.freedesktop.DBus.Peer\">\n"
    "  <method name=\"Ping\"/>\n"
    "  <method name=\"GetMachineId\"><arg type=\"s\" name=\"machine_uuid\" direction=\"out\"/></method>\n"
    " </interface>\n"
    " <interface name=\"org.freedesktop.DBus.Introspectable\">\n"
    "  <method name=\"Introspect\"><arg name=\"data\" type=\"s\" direction=\"out\"/></method>\n"
    " </interface>\n"
    " <interface name=\"org.freedesktop.DBus.Properties\">\n"
    "  <method name=\"Get\"><arg name=\"interface\" direction=\"in\" type=\"s\"/>"
    "<arg name=\"property\" direction=\"in\" type=\"s\"/><arg name=\"value\" direction=\"out\" type=\"v\"/></method>\n"
    "  <method name=\"GetAll\"><arg name=\"interface\" direction=\"in\" type=\"s\"/>"
    "<arg name=\"properties\" direction=\"out\" type=\"a{sv}\"/></method>\n"
    "  <method name=\"Set\"><arg name=\"interface\" direction=\"in\" type=\"s\"/>"
    "<arg name=\"property\" direction=\"in\" type=\"s\"/><arg name=\"value\" direction=\"in\" type=\"v\"/></method>\n"
    "  <signal name=\"PropertiesChanged\"><arg type=\"s\" name=\"interface\"/>"
    "<arg type=\"a{sv}\" name=\"changed_properties\"/><arg type=\"as\" name=\"invalidated_properties\"/></signal>\n"
    " </interface>\n";

static const char object_manager[] =
    " <interface name=\"org.freedesktop.DBus.ObjectManager\">\n"
    "  <method name=\"GetManagedObjects\">"
    "<arg type=\"a{oa{sa{sv}}}\" name=\"object_paths_interfaces_and_properties\" direction=\"out\"/></method>\n"
    "  <signal name=\"InterfacesAdded\"><arg type=\"o\" name=\"object_path\"/>"
    "<arg type=\"a{sa{sv}}\" name=\"interfaces_and_properties\"/></signal>\n"
    "  <signal name=\"InterfacesRemoved\"><arg type=\"o\" name=\"object_path\"/>"
    "<arg type=\"as\" name=\"interfaces\"/></signal>\n"
    " </interface>\n";

static void put_text(FILE *f, const char *s) {
    for (; *s; s++)
        switch (*s) {
        case '&':
            fputs("&amp;", f);
            break;
        case '<':
            fputs("&lt;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc(*s, f);
        }
}

static void put_annotation(FILE *f, const char *name, const char *value) {
    fprintf(f, "   <annotation name=\"%s\" value=\"", name);
    put_text(f, value);
    fputs("\"/>\n", f);
}

static void put_doc(FILE *f, const char *interface, const char *member) {
    const char *doc = bus_doc(interface, member);

    if (doc)
        put_annotation(f, "org.gtk.GDBus.DocString", doc);
}

/* Length of the first complete type of a signature that sd-bus has accepted. */
static size_t type_length(const char *s) {
    size_t n = strspn(s, "a"), depth = 0;

    do {
        depth += s[n] == '(' || s[n] == '{';
        depth -= s[n] == ')' || s[n] == '}';
        n++;
    } while (depth);
    return n;
}

/* @names: each with its NUL. Returns those that are left. */
static const char *put_args(FILE *f, const char *signature, const char *names, const char *direction) {
    for (size_t n; *signature; signature += n) {
        n = type_length(signature);
        fprintf(f, "   <arg type=\"%.*s\"", (int)n, signature);
        if (names && *names) {
            fprintf(f, " name=\"%s\"", names);
            names += strlen(names) + 1;
        }
        if (direction)
            fprintf(f, " direction=\"%s\"", direction);
        fputs("/>\n", f);
    }
    return names;
}

static void put_method(FILE *f, const char *interface, const sd_bus_vtable *v) {
    const char *names = v->x.method.names;

    fprintf(f, "  <method name=\"%s\">\n", v->x.method.member);
    names = put_args(f, v->x.method.signature ?: "", names, "in");
    (void)put_args(f, v->x.method.result ?: "", names, "out");
    if (v->flags & SD_BUS_VTABLE_DEPRECATED)
        put_annotation(f, "org.freedesktop.DBus.Deprecated", "true");
    if (v->flags & SD_BUS_VTABLE_METHOD_NO_REPLY)
        put_annotation(f, "org.freedesktop.DBus.Method.NoReply", "true");
    put_doc(f, interface, v->x.method.member);
    fputs("  </method>\n", f);
}

static void put_property(FILE *f, const char *interface, const sd_bus_vtable *v) {
    const char *changes = v->flags & SD_BUS_VTABLE_PROPERTY_CONST                ? "const"
                          : v->flags & SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION ? "invalidates"
                          : v->flags & SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE       ? NULL /* as without the annotation */
                                                                                 : "false";

    fprintf(f, "  <property name=\"%s\" type=\"%s\" access=\"%s\">\n", v->x.property.member, v->x.property.signature,
            v->type == _SD_BUS_VTABLE_WRITABLE_PROPERTY ? "readwrite" : "read");
    if (changes)
        put_annotation(f, "org.freedesktop.DBus.Property.EmitsChangedSignal", changes);
    put_doc(f, interface, v->x.property.member);
    fputs("  </property>\n", f);
}

static void put_signal(FILE *f, const char *interface, const sd_bus_vtable *v) {
    fprintf(f, "  <signal name=\"%s\">\n", v->x.signal.member);
    (void)put_args(f, v->x.signal.signature ?: "", v->x.signal.names, NULL);
    put_doc(f, interface, v->x.signal.member);
    fputs("  </signal>\n", f);
}

int bus_introspect_interface(FILE *f, const struct bus_place *place) {
    fprintf(f, " <interface name=\"%s\">\n", place->interface);
    put_doc(f, place->interface, NULL);
    for (const sd_bus_vtable *v = place->vtable; v->type != _SD_BUS_VTABLE_END; v++) {
        if (v->flags & SD_BUS_VTABLE_HIDDEN)
            continue;
        if (v->type == _SD_BUS_VTABLE_METHOD)
            put_method(f, place->interface, v);
        else if (v->type == _SD_BUS_VTABLE_SIGNAL)
            put_signal(f, place->interface, v);
        else if (v->type == _SD_BUS_VTABLE_PROPERTY || v->type == _SD_BUS_VTABLE_WRITABLE_PROPERTY)
            put_property(f, place->interface, v);
    }
    fputs(" </interface>\n", f);
    return ferror(f) ? -ENOMEM : 0;
}

static int is_here(sd_bus_message *call, const struct bus_place *place, const char *path, void *userdata,
                   sd_bus_error *error) {
    void *found;

    if (!place->find)
        return strcmp(path, place->path) == 0;
    return place->find(sd_bus_message_get_bus(call), path, place->interface, userdata, &found, error);
}

/* The next part of the path of each place below @path, once. */
static void put_nodes(FILE *f, const char *path) {
    size_t n = strlen(path);

    for (size_t i = 0; i < nr_bus_places; i++) {
        const char *below = bus_places[i].path + n;
        bool known = false;

        if (strncmp(bus_places[i].path, path, n) != 0 || *below != '/')
            continue;
        for (size_t k = 0; k < i; k++)
            known = known || strcmp(bus_places[k].path, bus_places[i].path) == 0;
        if (!known)
            fprintf(f, " <node name=\"%.*s\"/>\n", (int)strcspn(below + 1, "/"), below + 1);
    }
}

int bus_introspect(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const char *path = sd_bus_message_get_path(call);
    _cleanup_free_ char *xml = NULL;
    bool any = false, root;
    size_t size;
    int r = 0;
    FILE *f;

    if (!sd_bus_message_is_method_call(call, "org.freedesktop.DBus.Introspectable", "Introspect"))
        return 0;
    f = open_memstream(&xml, &size);
    if (!f)
        return -ENOMEM;
    root = strcmp(path, bus_places[0].path) == 0;
    fputs(head, f);
    if (root)
        fputs(object_manager, f);
    for (size_t i = 0; r >= 0 && i < nr_bus_places; i++) {
        r = is_here(call, &bus_places[i], path, userdata, error);
        if (r > 0) {
            any = true;
            r = bus_introspect_interface(f, &bus_places[i]);
        }
    }
    put_nodes(f, path);
    fputs("</node>\n", f);
    if (fclose(f) == EOF && r >= 0)
        r = -ENOMEM;
    if (r < 0 || !any)
        return r;
    return sd_bus_reply_method_return(call, "s", xml);
}
