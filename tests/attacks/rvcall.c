/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What RootVisor tells host root, without cvmd in between. One JSON line a record.
 *   rvcall info | vms
 *   rvcall events [FROM]   from this number on
 *   rvcall stats ID        counters of VM ID; 0: of the host
 *   rvcall report ID FILE  a report with a nonce of random bytes, 1176 bytes
 *   rvcall put ID FILE     a sealed key: prints RootVisor's answer, 0 or a negative errno
 *   rvcall frames          frames that protected VMs own, a bare number
 *   rvcall destroy ID      declares VM ID dead until its last frame went back
 * Exit status: 0, or 2 if there is no RootVisor or it refuses.
 */
#include "attack.h"

#include <sys/random.h>

#include "cvm/key.h"
#include "cvm/report.h"

#define TABLE "/sys/firmware/acpi/tables/CVMD"

static struct cvm_acpi_table table;

static long try_call(unsigned nr, uint64_t argument, void *buffer, size_t size) {
    long result;
    __asm__ volatile("vmcall"
                     : "=a"(result)
                     : "a"((uint64_t)CVM_CALL(nr)), "b"(table.secret[0]), "c"(table.secret[1]), "d"(argument),
                       "S"(buffer), "D"(size)
                     : "memory");
    return result;
}

static long call(unsigned nr, uint64_t argument, void *buffer, size_t size) {
    long result;
    if (size)
        memset(buffer, 0, size); /* touched, so present when RootVisor writes to it */
    result = try_call(nr, argument, buffer, size);
    if (result < 0)
        trouble((int)-result, "call %#x", nr);
    return result;
}

static void make_report(uint64_t id, const char *path) {
    static struct cvm_report_call c __attribute__((aligned(4096)));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    long result;
    if (fd < 0 || getrandom(c.user_data, sizeof c.user_data, 0) != sizeof c.user_data)
        trouble(errno, "%s", path);
    result = try_call(CVM_HOST_VM_REPORT, id, &c, sizeof c);
    if (result < 0)
        trouble((int)-result, "no report of VM %llu", (unsigned long long)id);
    if (write(fd, &c.report, sizeof c.report) != sizeof c.report)
        trouble(errno, "%s", path);
    close(fd);
}

static void put_key(uint64_t id, const char *path) {
    static struct cvm_key_blob blob __attribute__((aligned(4096)));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, &blob, sizeof blob) != sizeof blob)
        trouble(errno, "%s is no sealed key", path);
    printf("%ld\n", try_call(CVM_HOST_KEY_PUT, id, &blob, sizeof blob));
}

static void print_vms(void) {
    static struct cvm_vm_list list;
    call(CVM_HOST_VM_LIST, 0, &list, sizeof list);
    for (unsigned i = 0; i < list.count && i < CVM_MAX_VMS; i++) {
        const struct cvm_vm_info *vm = &list.vm[i];
        printf("{\"vm\":%u,\"state\":%u,\"reason\":%u,\"vcpus\":%u,\"ram\":%llu,\"frames\":%llu}\n", vm->id,
               vm->state, vm->reason, vm->vcpus, (unsigned long long)vm->ram_bytes,
               (unsigned long long)vm->frames);
    }
}

static void print_events(uint64_t from) {
    static struct cvm_event_page page __attribute__((aligned(4096)));
    for (;;) {
        call(CVM_HOST_EVENTS, from, &page, sizeof page);
        for (unsigned i = 0; i < page.count && i < CVM_EVENTS_PER_PAGE; i++) {
            const struct cvm_event *e = &page.ev[i];
            printf("{\"event\":%llu,\"type\":%u,\"reason\":%u,\"vm\":%u,"
                   "\"arg0\":\"%#llx\",\"arg1\":\"%#llx\"}\n",
                   (unsigned long long)e->seq, e->type, e->reason, e->vm, (unsigned long long)e->arg[0],
                   (unsigned long long)e->arg[1]);
            from = e->seq + 1;
        }
        if (!page.count || from >= page.next_seq)
            return;
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    int fd = open(TABLE, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        trouble(errno, TABLE);
    if (read(fd, &table, sizeof table) != sizeof table)
        trouble(0, TABLE " is short");
    if (!strcmp(what, "info") || !strcmp(what, "frames")) {
        static struct cvm_host_info info;
        call(CVM_HOST_INFO, 0, &info, sizeof info);
        if (!strcmp(what, "frames"))
            printf("%llu\n", (unsigned long long)info.private_frames);
        else
            printf("{\"cpus\":%u,\"vms\":%u,\"ram_frames\":%llu,\"rootvisor_frames\":%llu,"
                   "\"private_frames\":%llu}\n",
                   info.cpus, info.vms, (unsigned long long)info.ram_frames,
                   (unsigned long long)info.rootvisor_frames, (unsigned long long)info.private_frames);
    } else if (!strcmp(what, "vms")) {
        print_vms();
    } else if (!strcmp(what, "events")) {
        print_events(argc == 3 ? number(argv[2], "FROM") : 1);
    } else if (!strcmp(what, "stats") && argc == 3) {
        static struct cvm_stats s;
        uint64_t id = number(argv[2], "ID");
        call(id ? CVM_HOST_VM_STATS : CVM_HOST_STATS, id, &s, sizeof s);
        printf("{\"exits\":%llu,\"reflected\":%llu,\"upcalls\":%llu,\"sealed\":%llu,\"unsealed\":%llu,"
               "\"taken\":%llu,"
               "\"returned\":%llu,\"injected\":%llu}\n",
               (unsigned long long)s.exits, (unsigned long long)s.reflected, (unsigned long long)s.upcalls,
               (unsigned long long)s.sealed, (unsigned long long)s.unsealed, (unsigned long long)s.taken,
               (unsigned long long)s.returned, (unsigned long long)s.injected);
    } else if (!strcmp(what, "destroy") && argc == 3) {
        unsigned rounds = 1;
        while (call(CVM_HOST_VM_DESTROY, number(argv[2], "ID"), NULL, 0) > 0)
            rounds++;
        printf("{\"rounds\":%u}\n", rounds);
    } else if (!strcmp(what, "report") && argc == 4) {
        make_report(number(argv[2], "ID"), argv[3]);
    } else if (!strcmp(what, "put") && argc == 4) {
        put_key(number(argv[2], "ID"), argv[3]);
    } else {
        trouble(0, "usage: rvcall report ID FILE | put ID FILE | info | vms | events [FROM] | frames | stats ID | destroy ID");
    }
    return 0;
}
