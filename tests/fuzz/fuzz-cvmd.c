// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: cvmd/acpi-table.c cvmd/validate.c cvmd/domain-xml.c cvmd/util.c attest/util.c attest/bzimage.c
// CFLAGS: -I/usr/include/libxml2
// LIBS: -lxml2 -lsystemd
// What cvmd takes from others: the ACPI table, names, command lines, kernels, libvirt's XML. A command line that is
// accepted must come out of the domain XML as it went in.
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdlib.h>
#include <string.h>

#include "cvmd/acpi-table.h"
#include "cvmd/domain-xml.h"
#include "cvmd/util.h"
#include "cvmd/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_in_xml(const char *cmdline) {
    struct domain_shape s = {.type = "kvm", .name = "n", .uuid = "u", .protected = true, .memory = 1 << 26, .vcpus = 1, .firmware = "/f",
                             .kernel = "/k", .cmdline = cmdline, .console_log = "/l"};
    xmlXPathContextPtr context;
    xmlXPathObjectPtr found;
    xmlDocPtr doc;
    char *xml;

    if (domain_xml(&s, &xml) < 0)
        abort();
    doc = xmlReadMemory(xml, (int)strlen(xml), "x", NULL, XML_PARSE_NONET);
    if (!doc)
        abort();
    context = xmlXPathNewContext(doc);
    found = xmlXPathEval((const xmlChar *)"string(/domain/os/cmdline)", context);
    if (strcmp((const char *)found->stringval, cmdline) != 0)
        abort();
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    xmlFreeDoc(doc);
    free(xml);
}

static void strings(const char *s) {
    char out[UUID_STRING_MAX], *console = NULL;
    struct cvm_error e;
    uint8_t uuid[16];

    if (validate_name(s, &e) == 0 && (strchr(s, '/') || s[0] == '.' || strlen(s) > MACHINE_NAME_MAX))
        abort();
    if (validate_cmdline(s, &e) == 0)
        same_in_xml(s);
    if (uuid_from_string(s, uuid) == 0 && strcasecmp(uuid_to_string(uuid, out), s) != 0)
        abort();
    if (domain_xml_console(s, &console) == 0)
        free(console);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *s = malloc(size + 1);
    uint64_t secret[2];
    struct cvm_error e;
    uint32_t abi;

    memcpy(s, data, size);
    s[size] = 0;
    (void)acpi_table_parse(data, size, &abi, secret, &e);
    (void)validate_kernel(data, size, &e);
    strings(s);
    free(s);
    return 0;
}
