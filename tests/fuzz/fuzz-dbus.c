// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: cvmd/audit.c cvmd/bus-audit.c cvmd/bus-clients.c cvmd/bus-docs.c cvmd/bus-evidence.c cvmd/bus-gateway-audit.c cvmd/bus-gateway-host.c
// SOURCES: cvmd/bus-gateway-image.c cvmd/bus-gateway-key.c cvmd/bus-gateway-machine.c cvmd/bus-gateway.c cvmd/bus-host.c cvmd/bus-image.c cvmd/bus-introspect.c
// SOURCES: cvmd/bus-machine.c cvmd/bus-manager.c cvmd/bus-operation.c cvmd/bus-options.c cvmd/bus-query.c cvmd/bus-signal.c cvmd/bus.c cvmd/ca.c cvmd/change.c
// SOURCES: cvmd/clients.c cvmd/config.c cvmd/console.c cvmd/counter-leaves.c cvmd/counter.c cvmd/define.c cvmd/delete.c cvmd/domain-xml.c cvmd/files.c
// SOURCES: cvmd/image-delete.c cvmd/image-import.c cvmd/image.c cvmd/journal.c cvmd/launch.c cvmd/lifecycle.c cvmd/machine.c cvmd/manager.c cvmd/operation.c
// SOURCES: cvmd/options.c cvmd/pause.c cvmd/quote.c cvmd/reason.c cvmd/reconcile.c cvmd/reload.c cvmd/restart.c cvmd/roles.c cvmd/settings.c cvmd/start-job.c
// SOURCES: cvmd/usage.c cvmd/util.c cvmd/validate.c
// SOURCES: cvmd/bus-peer.c cvmd/config-load.c cvmd/domain-changes.c cvmd/domain-event.c cvmd/outside.c
// SOURCES: tests/fuzz/stub-cvmd.c attest/*.c
// CFLAGS: -I/usr/include/libxml2 -I/usr/include/json-c -I/usr/include/tss2 -DCVMD_VERSION="0" -Wno-unused-parameter
// LIBS: -lsystemd -lxml2 -linih -lcrypto -ljson-c -lsqlite3 -ltss2-mu -ltss2-rc -ldl -lpthread
// Arguments of every method of org.cvmd1: calls go over a socket through sd-bus, as a client's do, into cvmd itself on top of
// stub-cvmd.c. Each input is some calls one after the other: a byte chooses the method of the tables (bus_places), the bytes
// behind become its arguments by its own signature. Each call has one answer, of the signature that the table promises.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "cvmd/bus-introspect.h"
#include "cvmd/bus.h"
#include "cvmd/ca.h"
#include "cvmd/image.h"
#include "cvmd/manager.h"
#include "cvmd/polkit.h"
#include "cvmd/quote.h"
#include "cvmd/rootvisor.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* stub-cvmd.c */
extern int stub_error;
extern bool stub_threads;
void stub_run_jobs(void);

#define CALLS_MAX 6u
#define D "0123456789abcdef0123456789abcdef0123456789abcdef"
static const char digest[] = D D;
static const char op_id[] = "01890a5d-ac96-774b-bcce-b302099a8057";

static sd_bus *server, *client;
static struct config config;
static struct ca *authority;
static int file = -1;

/* What names something, and what nearly does. */
static const char *const words[] = {
    "a1", "a2", "b", "nobody", "", digest, D, op_id, "cert:" D "0123456789abcde2", "cert:" D "0123456789abcdf3", "uid:0", "uid:1", "uid:4", "uid:9",
    "admin", "operator", "viewer", "kernel", "initrd", "disk", "cmdline", "start", "stop", "reboot", "delete", "kill", "pause", "resume",
    "no", "on-failure", "always", "none", "network:default", "bridge:br0", "/dev/null", "*", "a*", "digest", "k", "key1", "key=value",
    "define", "control", "read", "org.cvmd1.Machine", "org.cvmd1.Host", "Name", "Digest", "Kernel", "Initrd", "KernelImage", "InitrdImage",
    "CommandLine", "Memory", "VCPUs", "Unprotected", "Description", "Labels", "Autostart", "Restart", "CPUShares", "CPUQuota", "IOWeight",
    "Network", "Disks", "localhost,127.0.0.1", "{\"format\":1}", "-----BEGIN CERTIFICATE REQUEST-----\n", "\xc3\xa4\xe2\x82\xac",
};

struct bytes {
    const uint8_t *p;
    size_t left;
};

static uint8_t byte(struct bytes *b) {
    return b->left ? (b->left--, *b->p++) : 0;
}

static uint64_t number(struct bytes *b, unsigned size) {
    uint64_t v = 0;

    while (size--)
        v = v << 8 | byte(b);
    return v;
}

/* What D-Bus lets through: UTF-8 without NUL; a client's library refuses the rest. */
static const char *string(struct bytes *b, char out[1024]) {
    uint8_t n = byte(b);
    size_t size;

    if (n < 128)
        return words[n % (sizeof(words) / sizeof(words[0]))];
    size = n == 255 ? 1000 : n - 128u;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = n == 255 && !b->left ? 'x' : byte(b);

        out[i] = c == 0 || c >= 128 ? (char)(c % 127 + 1) : (char)c;
    }
    out[size] = 0;
    return out;
}

static void append(sd_bus_message *m, const char **signature, struct bytes *b, unsigned depth);

/* A variant: mostly what the key wants. */
static void append_variant(sd_bus_message *m, const char *key, struct bytes *b, unsigned depth) {
    static const char *const types[] = {"s", "t", "u", "b", "h", "as", "a{ss}", "v", "ay", "o", "g", "d", "x", "(st)", "a{sv}", "y"};
    uint8_t n = byte(b);
    const char *type = option_signature(key);

    if (!type || n > 200)
        type = depth > 3 ? "s" : types[n % 16];
    sd_bus_message_open_container(m, 'v', type);
    append(m, &type, b, depth + 1);
    sd_bus_message_close_container(m);
}

static size_t length_of(const char *signature) {
    size_t n = 0, open = 0;

    while (signature[n] == 'a')
        n++;
    do {
        open += signature[n] == '(' || signature[n] == '{';
        open -= signature[n] == ')' || signature[n] == '}';
        n++;
    } while (open);
    return n;
}

static void append_array(sd_bus_message *m, const char *contents, struct bytes *b, unsigned depth) {
    uint8_t n = byte(b), bytes[2048] = {0};
    char text[1024];

    if (strcmp(contents, "y") == 0) {
        size_t size = n == 255 ? 64 : n == 254 ? sizeof(struct cvm_key_blob) : n;

        for (size_t i = 0; i < size && b->left; i++)
            bytes[i] = byte(b);
        sd_bus_message_append_array(m, 'y', bytes, size < sizeof(bytes) ? size : sizeof(bytes));
        return;
    }
    sd_bus_message_open_container(m, 'a', contents);
    for (n = n == 255 ? 140 : n % 6; n; n--)
        if (strcmp(contents, "{sv}") == 0) {
            const char *key = string(b, text);

            sd_bus_message_open_container(m, 'e', "sv");
            sd_bus_message_append_basic(m, 's', key);
            append_variant(m, key, b, depth);
            sd_bus_message_close_container(m);
        } else {
            const char *p = contents;

            append(m, &p, b, depth + 1);
        }
    sd_bus_message_close_container(m);
}

/* One complete type, past which @signature is put. */
static void append(sd_bus_message *m, const char **signature, struct bytes *b, unsigned depth) {
    size_t n = length_of(*signature);
    char inner[64], text[1024], type = **signature;
    const char *p = inner;
    uint64_t v;

    snprintf(inner, sizeof(inner), "%.*s", (int)(n > 1 ? n - (type == 'a' ? 1 : 2) : 0), *signature + 1);
    *signature += n;
    switch (type) {
    case 'a':
        append_array(m, inner, b, depth);
        break;
    case '(':
    case '{':
        sd_bus_message_open_container(m, type == '(' ? 'r' : 'e', inner);
        while (*p)
            append(m, &p, b, depth + 1);
        sd_bus_message_close_container(m);
        break;
    case 'v':
        append_variant(m, "", b, depth);
        break;
    case 's':
        sd_bus_message_append_basic(m, 's', string(b, text));
        break;
    case 'o':
        sd_bus_message_append_basic(m, 'o', byte(b) % 2 ? "/org/cvmd1/machine/a1" : "/");
        break;
    case 'g':
        sd_bus_message_append_basic(m, 'g', "a{sv}");
        break;
    case 'h':
        sd_bus_message_append_basic(m, 'h', &file);
        break;
    case 'b':
        sd_bus_message_append_basic(m, 'b', &(int){byte(b) % 2});
        break;
    default: /* numbers; of few bytes mostly */
        v = byte(b);
        v = v < 200 ? v : number(b, v < 240 ? 4 : 8);
        sd_bus_message_append_basic(m, type, &v);
    }
}

/* --- the tables, and what sd-bus itself answers out of them --- */

static const sd_bus_vtable standard[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("GetAll", "s", "a{sv}", NULL, 0),
    SD_BUS_METHOD("Get", "ss", "v", NULL, 0),
    SD_BUS_METHOD("Set", "ssv", "", NULL, 0),
    SD_BUS_VTABLE_END,
};
static const sd_bus_vtable introspectable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Introspect", "", "s", NULL, 0),
    SD_BUS_VTABLE_END,
};
static const sd_bus_vtable object_manager[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("GetManagedObjects", "", "a{oa{sa{sv}}}", NULL, 0),
    SD_BUS_VTABLE_END,
};
static const struct bus_place standards[] = {
    {.interface = "org.freedesktop.DBus.Properties", .vtable = standard},
    {.interface = "org.freedesktop.DBus.Introspectable", .vtable = introspectable},
    {.interface = "org.freedesktop.DBus.ObjectManager", .vtable = object_manager},
};
#define NR_STANDARDS (sizeof(standards) / sizeof(standards[0]))

static const sd_bus_vtable *choose(uint8_t n, const struct bus_place **place) {
    for (;;)
        for (size_t i = 0; i < nr_bus_places + NR_STANDARDS; i++) {
            *place = i < nr_bus_places ? &bus_places[i] : &standards[i - nr_bus_places];
            for (const sd_bus_vtable *v = (*place)->vtable; v->type != _SD_BUS_VTABLE_END; v++)
                if (v->type == _SD_BUS_VTABLE_METHOD && n-- == 0)
                    return v;
        }
}

static const char *path_of(const struct bus_place *place, uint8_t n, char text[128]) {
    static const char *const objects[] = {"a1", "a2", "b", "nobody", digest, op_id};
    const char *prefix = !place->path ? bus_places[n / 8 % nr_bus_places].path : place->path;
    char *path = NULL;

    if (strcmp(prefix, BUS_MANAGER_PATH) == 0 || strcmp(prefix, BUS_HOST_PATH) == 0)
        return prefix;
    if (sd_bus_path_encode(prefix, objects[n % 6], &path) < 0)
        abort();
    snprintf(text, 128, "%s", path);
    free(path);
    return text;
}

static void need(int r) {
    if (r < 0)
        abort();
}

struct answer {
    const char *signature;
    unsigned count;
};

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    struct answer *a = userdata;
    const sd_bus_error *e = sd_bus_message_get_error(m);

    a->count++;
    if (!e && strcmp(sd_bus_message_get_signature(m, true), a->signature) != 0)
        abort();
    if (e && (!e->message || !e->message[0]))
        abort();
    return 0;
}

static void one_call(struct bytes *b) {
    const struct bus_place *place;
    const sd_bus_vtable *v = choose(byte(b), &place);
    struct answer answer = {.signature = v->x.method.result ?: ""};
    const char *signature = v->x.method.signature ?: "";
    sd_bus_message *m = NULL;
    sd_bus_slot *slot = NULL;
    char text[128];
    int r;

    need(sd_bus_message_new_method_call(client, &m, NULL, path_of(place, byte(b), text), place->interface, v->x.method.member));
    while (*signature)
        append(m, &signature, b, 0);
    if (sd_bus_call_async(client, &slot, m, on_answer, &answer, UINT64_MAX) >= 0) {
        do {
            need(r = sd_bus_process(server, NULL));
            r |= sd_bus_process(client, NULL);
            need(r);
        } while (r > 0);
        if (answer.count > 1)
            abort();
    }
    stub_run_jobs();
    sd_bus_slot_unref(slot);
    sd_bus_message_unref(m);
}

/* --- the state --- */

static void add_machine(struct manager *m, const char *name, const char *uuid, enum machine_state state, bool protected) {
    struct machine *k = machine_new(m, name, uuid);

    if (!k || free_and_strdup(&k->labels, "a=b\n") < 0)
        abort();
    k->state = state;
    k->protected = protected;
    k->memory = 64u << 20;
    k->vcpus = 1;
    need(manager_add(m, k));
}

static void fill(struct manager *m) {
    struct image *image = calloc(1, sizeof(*image));
    struct operation *op = calloc(1, sizeof(*op));

    m->images = calloc(1, sizeof(*m->images));
    m->operations = calloc(1, sizeof(*m->operations));
    if (!image || !op || !m->images || !m->operations)
        abort();
    add_machine(m, "a1", "a1a1a1a1-a1a1-a1a1-a1a1-a1a1a1a1a1a1", MACHINE_RUNNING, true);
    add_machine(m, "a2", "a2a2a2a2-a1a1-a1a1-a1a1-a1a1a1a1a1a1", MACHINE_STOPPED, false);
    add_machine(m, "b", "b1b1b1b1-a1a1-a1a1-a1a1-a1a1a1a1a1a1", MACHINE_PAUSED, false);
    *image = (struct image){.manager = m, .name = strdup("k"), .kind = IMAGE_KERNEL, .size = 1};
    memcpy(image->digest, digest, sizeof(image->digest));
    m->images[m->nr_images++] = image;
    *op = (struct operation){.manager = m, .kind = OPERATION_LAUNCH, .state = OPERATION_RUNNING, .unit = "", .machine = strdup("a1"), .who = strdup("w")};
    memcpy(op->id, op_id, sizeof(op->id));
    m->operations[m->nr_operations++] = op;
}

/* What every machine must be, whatever was called. */
static void check(const struct manager *m) {
    for (size_t i = 0; i < m->nr_machines; i++) {
        const struct machine *k = m->machines[i];

        if (!k->name[0] || strchr(k->name, '/') || (i && strcmp(m->machines[i - 1]->name, k->name) >= 0) || k->state >= MACHINE_STATE_MAX)
            abort();
        if ((k->labels && *k->labels && k->labels[strlen(k->labels) - 1] != '\n') || (k->cmdline && strchr(k->cmdline, '\n')))
            abort();
    }
    for (size_t i = 1; i < m->nr_operations; i++)
        if (strcmp(m->operations[i - 1]->id, m->operations[i]->id) >= 0)
            abort();
    if (m->corked || m->changing || m->signals)
        abort();
}

static struct manager manager;

static uint64_t now(void) {
    return 1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    const char *tmp = getenv("TMPDIR");
    sd_id128_t id = {.bytes = {1}};
    char directory[256];
    int fds[2];

    (void)argc;
    (void)argv;
    need(config_init(&config));
    snprintf(directory, sizeof(directory), "%s/state-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(directory) || free_and_strdup(&config.state_directory, directory) < 0)
        abort();
    file = memfd_create("file", MFD_CLOEXEC);
    need(file);
    need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
    need(sd_bus_new(&server));
    need(sd_bus_set_fd(server, fds[0], fds[0]));
    need(sd_bus_set_server(server, true, id));
    need(sd_bus_negotiate_creds(server, true, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID));
    need(sd_bus_set_sender(server, BUS_NAME));
    need(sd_bus_negotiate_fds(server, true));
    need(sd_bus_start(server));
    need(sd_bus_new(&client));
    need(sd_bus_set_fd(client, fds[1], fds[1]));
    need(sd_bus_negotiate_fds(client, true));
    need(sd_bus_start(client));
    while (sd_bus_is_ready(client) <= 0 || sd_bus_is_ready(server) <= 0) {
        need(sd_bus_process(server, NULL));
        need(sd_bus_process(client, NULL));
    }
    need(bus_attach_objects(server, &manager));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes b = {data, size};
    uint8_t flags = byte(&b);

    stub_error = flags & 8 ? -ENOSPC : 0;
    stub_threads = flags & 16;
    manager = (struct manager){
        .config = &config,
        .bus = server,
        .host_memory = 1ull << 36,
        .boot_id = (char *)"boot",
        .rootvisor = flags & 1 ? (struct rootvisor *)&manager : NULL,
        .gateway_uid = getuid(),
        .gateway_uid_known = !(flags & 2),
        .ca = authority,
    };
    if (flags & 4)
        need(quoter_new(NULL, &(struct quoter_config){.tcti = "none", .event_log = "", .per_minute = 60, .now = now}, &manager.quoter));
    fill(&manager);
    for (unsigned i = 0; i < CALLS_MAX && b.left; i++) {
        one_call(&b);
        check(&manager);
    }
    authority = manager.ca; /* its key takes a while */
    while (manager.nr_machines)
        manager_remove(&manager, manager.machines[0]);
    free(manager.machines);
    operations_free(&manager);
    images_free(&manager);
    quoter_free(manager.quoter);
    return 0;
}
