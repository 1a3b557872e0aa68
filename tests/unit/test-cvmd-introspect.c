/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The introspection of cvmd's interfaces: well-formed, and each member with its signature and its documentation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "cvmd/bus-introspect.h"

static xmlXPathContextPtr introspect(const struct bus_place *place) {
    _cleanup_free_ char *xml = NULL;
    xmlDocPtr doc;
    size_t size;
    FILE *f = open_memstream(&xml, &size);

    assert_non_null(f);
    assert_int_equal(bus_introspect_interface(f, place), 0);
    fclose(f);
    doc = xmlReadMemory(xml, (int)size, "x", NULL, XML_PARSE_NONET);
    assert_non_null(doc);
    return xmlXPathNewContext(doc);
}

static void done(xmlXPathContextPtr context) {
    xmlFreeDoc(context->doc);
    xmlXPathFreeContext(context);
}

static void expect(xmlXPathContextPtr context, const char *expression, const char *want) {
    xmlXPathObjectPtr found = xmlXPathEval((const xmlChar *)expression, context);

    assert_non_null(found);
    if (strcmp((const char *)found->stringval, want) != 0)
        fail_msg("%s is '%s', not '%s'", expression, found->stringval, want);
    xmlXPathFreeObject(found);
}

static const char *member_of(const sd_bus_vtable *v) {
    switch (v->type) {
    case _SD_BUS_VTABLE_METHOD:
        return v->x.method.member;
    case _SD_BUS_VTABLE_SIGNAL:
        return v->x.signal.member;
    case _SD_BUS_VTABLE_PROPERTY:
    case _SD_BUS_VTABLE_WRITABLE_PROPERTY:
        return v->x.property.member;
    default:
        return NULL;
    }
}

static void test_each_member(void **state) {
    (void)state;
    for (const struct bus_place *p = bus_places; p < bus_places + nr_bus_places; p++) {
        xmlXPathContextPtr context = introspect(p);
        char expression[256];

        assert_non_null(bus_doc(p->interface, NULL));
        for (const sd_bus_vtable *v = p->vtable; v->type != _SD_BUS_VTABLE_END; v++) {
            const char *member = member_of(v), *doc = member ? bus_doc(p->interface, member) : NULL;

            if (!member)
                continue;
            if (!doc)
                fail_msg("%s.%s has no documentation in bus-docs.c", p->interface, member);
            snprintf(expression, sizeof(expression),
                     "string(//*[@name='%s']/annotation[@name='org.gtk.GDBus.DocString']/@value)", member);
            expect(context, expression, doc);
        }
        done(context);
    }
}

static bool exists(const char *name) {
    const char *dot = strchr(name, '.');
    size_t n = dot ? (size_t)(dot - name) : strlen(name);

    for (const struct bus_place *p = bus_places; p < bus_places + nr_bus_places; p++) {
        const char *last = strrchr(p->interface, '.') + 1;

        if (strlen(last) != n || strncmp(last, name, n) != 0)
            continue;
        if (!dot)
            return true;
        for (const sd_bus_vtable *v = p->vtable; v->type != _SD_BUS_VTABLE_END; v++)
            if (member_of(v) && strcmp(member_of(v), dot + 1) == 0)
                return true;
    }
    return false;
}

static void test_no_other(void **state) {
    (void)state;
    for (size_t i = 0; bus_doc_name(i); i++)
        if (!exists(bus_doc_name(i)))
            fail_msg("bus-docs.c documents %s, which is not there", bus_doc_name(i));
}

static void test_signatures(void **state) {
    xmlXPathContextPtr context = introspect(&bus_places[0]);

    (void)state;
    expect(context, "string(/interface/@name)", "org.cvmd1.Manager");
    expect(context, "string(//method[@name='ImportImage']/arg[4]/@type)", "a{sv}");
    expect(context, "string(//method[@name='ImportImage']/arg[4]/@name)", "options");
    expect(context, "string(//method[@name='ImportImage']/arg[3]/@direction)", "in");
    expect(context, "string(//method[@name='ImportImage']/arg[5]/@direction)", "out");
    expect(context, "string(//method[@name='ImportImage']/arg[5]/@name)", "operation");
    expect(context, "string(count(//method[@name='Reload']/arg))", "0");
    expect(context, "string(//method[@name='ListMachines']/arg[1]/@type)", "a(sso)");
    expect(context, "string(//method[@name='ListMachines']/arg[1]/@name)", "machines");
    expect(context,
           "string(//property[@name='Version']/annotation[@name='org.freedesktop.DBus.Property.EmitsChangedSignal']/@value)",
           "const");
    done(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_member), cmocka_unit_test(test_no_other),
                                       cmocka_unit_test(test_signatures)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
