/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Launch: check, record, copy the files, start QEMU; a protected machine runs when RootVisor says so.
 * The record comes first: after a kill at any point the next start of cvmd finds it and cleans up.
 */
#include "bus.h"
#include "files.h"
#include "log.h"
#include "manager.h"
#include "reason.h"
#include "validate.h"

#include "attest/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

struct launch_job {
    struct machine *machine; /* touched by the main thread only, but for its flag cancel */
    _Atomic bool *cancel;
    struct virt *virt;
    int kernel_fd, initrd_fd;
    char *directory, *kernel, *initrd, *xml;

    const char *error_name;
    struct cvm_error error;
    char *console;
};

static void launch_job_free(struct launch_job *j) {
    close_fdp(&j->kernel_fd);
    close_fdp(&j->initrd_fd);
    free(j->directory);
    free(j->kernel);
    free(j->initrd);
    free(j->xml);
    free(j->console);
    free(j);
}
CVM_DEFINE_CLEANUP(struct launch_job *, launch_job_free)

/* In a thread. */
static int launch_work(void *data) {
    struct launch_job *j = data;
    _cleanup_free_ void *head = NULL;
    size_t size;
    int r;

    j->error_name = BUS_ERROR_FAILED;
    r = files_make_directory(j->directory, &j->error);
    if (r < 0)
        return r;

    /* Copied, then looked at: nobody can change the copy. */
    j->error_name = BUS_ERROR_INVALID_KERNEL;
    r = files_copy(j->kernel_fd, j->kernel, "the kernel", CVM_KERNEL_FILE_MAX, &j->error);
    if (r >= 0)
        r = files_read_head(j->kernel, &head, &size, &j->error);
    if (r >= 0)
        r = validate_kernel(head, size, &j->error);
    if (r < 0)
        return r;

    if (j->initrd_fd >= 0) {
        j->error_name = BUS_ERROR_INVALID_INITRD;
        r = files_copy(j->initrd_fd, j->initrd, "the initrd", CVM_INITRD_FILE_MAX, &j->error);
        if (r < 0)
            return r;
    }

    j->error_name = BUS_ERROR_CANCELLED;
    if (*j->cancel)
        return cvm_error_set(&j->error, -ECANCELED, "cancelled by request");
    j->error_name = BUS_ERROR_LIBVIRT;
    return virt_start(j->virt, j->xml, &j->console, &j->error);
}

void launch_undo(struct machine *m, const char *name, const char *text) {
    struct operation *op = TAKE_PTR(m->start_op);

    audit(m->manager, m, "launch-failed", NULL, "%s", text);
    files_remove_machine(m);
    bus_machine_removed(m);
    (void)store_delete_machine(m->manager->store, m->name);
    if (m->cancel)
        operation_cancelled(op);
    else
        operation_fail(op, name, text);
    manager_remove(m->manager, m);
}

static void launch_succeeded(struct machine *m) {
    m->deadline = 0;
    audit_pull(m->manager); /* RootVisor's event came first */
    machine_set_state(m, MACHINE_RUNNING, NULL);
    audit(m->manager, m, "launched", NULL,
          m->protected ? "the machine runs protected" : "the machine runs, not protected");
    operation_done(TAKE_PTR(m->start_op));
    manager_watch(m->manager);
}

static void launch_done(void *data, int r) {
    _cleanup_(launch_job_freep) struct launch_job *j = data;
    struct machine *m = j->machine;

    m->job = false;
    if (r < 0) {
        launch_undo(m, j->error_name, j->error.text);
        return;
    }
    m->console_path = TAKE_PTR(j->console);
    if (m->gone) {
        machine_ended(m, "QEMU ended while it started");
        return;
    }
    if (m->cancel) {
        machine_end(m, MACHINE_STOPPED, "cancelled by request");
        return;
    }
    if (!m->protected) {
        launch_succeeded(m);
        return;
    }
    m->deadline = now_usec(CLOCK_MONOTONIC) + m->manager->config->launch_timeout * 1000000ull;
    bus_machine_changed(m);
    manager_watch(m->manager);
}

void launch_progress(struct machine *m) {
    char text[256];

    if (!m->protected) /* taken up by reconciliation: it runs as soon as QEMU does */
        return;
    if (m->vm_present && m->vm.state == CVM_VM_RUNNING) {
        launch_succeeded(m);
        return;
    }
    if (m->vm_present && m->vm.state != CVM_VM_LAUNCHING) {
        machine_end(m, MACHINE_FAILED, reason_text(m->vm.reason));
        return;
    }
    if (m->deadline && now_usec(CLOCK_MONOTONIC) > m->deadline) {
        snprintf(text, sizeof(text),
                 "the guest did not come under protection within %u s; see 'cvmctl console %s --log' and "
                 "'cvmctl audit'",
                 m->manager->config->launch_timeout, m->name);
        machine_end(m, MACHINE_FAILED, text);
    }
}

/* init_on_alloc=0 would let a device write into a freed frame that is still private. */
static bool host_clears_pages(void) {
    _cleanup_free_ char *cmdline = NULL;

    return read_line_file("/proc/cmdline", &cmdline) < 0 || !strstr(cmdline, "init_on_alloc=0");
}

static int refuse(sd_bus_error *error, const char *name, int r, const char *text) {
    sd_bus_error_set(error, name, text);
    return r;
}

static int check(struct manager *m, const char *name, const struct machine_options *o, sd_bus_error *error) {
    struct cvm_error e = {0};
    const struct machine *old;
    int r;

    r = validate_name(name, &e);
    if (r < 0)
        return refuse(error, BUS_ERROR_INVALID_NAME, r, e.text);
    if (o->memory == 0)
        return refuse(error, BUS_ERROR_INVALID_ARGUMENT, -EINVAL, "option 'Memory' is missing");
    if (o->set & ~(1u << OPTION_KERNEL | 1u << OPTION_INITRD | 1u << OPTION_COMMAND_LINE |
                   1u << OPTION_MEMORY | 1u << OPTION_VCPUS | 1u << OPTION_UNPROTECTED))
        return refuse(error, SD_BUS_ERROR_NOT_SUPPORTED, -EOPNOTSUPP, "this cvmd cannot do all of that yet");
    r = validate_memory(o->memory, m->host_memory, &e);
    if (r < 0)
        return refuse(error, BUS_ERROR_INVALID_MEMORY, r, e.text);
    r = validate_vcpus(o->vcpus, &e);
    if (r < 0)
        return refuse(error, BUS_ERROR_INVALID_VCPUS, r, e.text);
    r = validate_cmdline(o->cmdline ?: "", &e);
    if (r < 0)
        return refuse(error, BUS_ERROR_INVALID_CMDLINE, r, e.text);

    if (o->kernel_fd < 0)
        return refuse(error, BUS_ERROR_INVALID_ARGUMENT, -EINVAL, "option 'Kernel' is missing");
    old = manager_find(m, name);
    if (old) {
        sd_bus_error_setf(error, BUS_ERROR_EXISTS, "machine '%s' exists already (%s)%s%s", name,
                          machine_state_to_string(old->state),
                          machine_is_active(old) ? "" : "; remove it with: cvmctl delete ",
                          machine_is_active(old) ? "" : name);
        return -EEXIST;
    }
    if (o->unprotected)
        return 0;

    if (!m->rootvisor) {
        sd_bus_error_setf(error, BUS_ERROR_NO_ROOTVISOR,
                          "no protection on this host: %s; an ordinary VM needs --unprotected",
                          m->rootvisor_error.text);
        return -EOPNOTSUPP;
    }
    if (!host_clears_pages())
        return refuse(
            error, BUS_ERROR_UNSAFE_HOST, -EOPNOTSUPP,
            "the host was booted with init_on_alloc=0, which endangers protected VMs: boot it without");
    if (access(m->config->firmware, R_OK) < 0) {
        sd_bus_error_setf(error, BUS_ERROR_FAILED, "the guest firmware %s cannot be read: %s",
                          m->config->firmware, strerror(errno));
        return -ENOENT;
    }
    return 0;
}

/* RFC 9562, section 5.4. */
static int new_uuid(char out[UUID_STRING_MAX]) {
    uint8_t uuid[16];

    if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid))
        return -EIO;
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    uuid_to_string(uuid, out);
    return 0;
}

static int make_machine(struct manager *m, const char *name, const struct machine_options *o,
                        struct machine **ret) {
    _cleanup_(machine_freep) struct machine *k = NULL;
    char uuid[UUID_STRING_MAX];

    if (new_uuid(uuid) < 0)
        return -EIO;
    k = machine_new(m, name, uuid);
    if (!k || free_and_strdup(&k->cmdline, o->cmdline) < 0)
        return -ENOMEM;
    k->protected = !o->unprotected;
    k->memory = o->memory;
    k->vcpus = o->vcpus;
    k->backing = config_backing(m->config, o->memory);
    k->has_initrd = o->initrd_fd >= 0;
    k->state = MACHINE_STARTING;
    k->created = now_usec(CLOCK_REALTIME);
    *ret = TAKE_PTR(k);
    return 0;
}

static int make_job(struct machine *m, const struct machine_options *o, struct launch_job **ret) {
    _cleanup_(launch_job_freep) struct launch_job *j = NULL;
    _cleanup_free_ char *log = NULL;
    struct domain_shape shape;

    j = calloc(1, sizeof(*j));
    if (!j)
        return -ENOMEM;
    j->machine = m;
    j->virt = m->manager->virt;
    j->cancel = &m->cancel;
    j->initrd_fd = -1;
    j->kernel_fd = fcntl(o->kernel_fd, F_DUPFD_CLOEXEC, 3);
    if (j->kernel_fd < 0)
        return -errno;
    if (o->initrd_fd >= 0) {
        j->initrd_fd = fcntl(o->initrd_fd, F_DUPFD_CLOEXEC, 3);
        if (j->initrd_fd < 0)
            return -errno;
    }
    if (machine_file(m, "", &j->directory) < 0 || machine_file(m, "kernel", &j->kernel) < 0 ||
        machine_file(m, "initrd", &j->initrd) < 0 || machine_file(m, "console.log", &log) < 0)
        return -ENOMEM;
    shape = (struct domain_shape){
        .type = m->manager->config->domain_type,
        .name = m->name,
        .uuid = m->uuid,
        .protected = m->protected,
        .memory = m->memory,
        .vcpus = m->vcpus,
        .backing = m->backing,
        .firmware = m->manager->config->firmware,
        .kernel = j->kernel,
        .initrd = m->has_initrd ? j->initrd : NULL,
        .cmdline = m->cmdline,
        .console_log = log,
    };
    if (domain_xml(&shape, &j->xml) < 0)
        return -ENOMEM;
    *ret = TAKE_PTR(j);
    return 0;
}

/* Before RootVisor has it, nothing is lost by ending QEMU. */
static void cancel_launch(struct operation *op, void *userdata) {
    struct machine *m = userdata;

    op->cancel = NULL;
    m->cancel = true;
    if (!m->job)
        machine_end(m, MACHINE_STOPPED, "cancelled by request");
}

int manager_launch(struct manager *m, const char *name, const struct machine_options *o, const char *who,
                   struct operation **ret, sd_bus_error *error) {
    _cleanup_(launch_job_freep) struct launch_job *j = NULL;
    struct operation *op = NULL;
    struct machine *k = NULL;
    int r;

    r = check(m, name, o, error);
    if (r < 0) {
        audit(m, NULL, "launch-refused", who, "launch of '%.64s' refused: %s", name, error->message);
        return r;
    }
    r = make_machine(m, name, o, &k);
    if (r >= 0)
        r = manager_add(m, k);
    if (r < 0)
        return sd_bus_error_set_errno(error, r);
    r = operation_new(m, OPERATION_LAUNCH, name, who, &op, error);
    if (r < 0) {
        manager_remove(m, k);
        return r;
    }
    *ret = op;
    k->start_op = op;
    op->cancel = cancel_launch;
    op->cancel_data = k;
    bus_machine_added(k);
    r = machine_save(k);
    if (r >= 0)
        r = make_job(k, o, &j);
    if (r < 0) {
        launch_undo(k, BUS_ERROR_FAILED, strerror(-r));
        return 0;
    }
    audit(m, k, "launch", who, "launch %s with %llu MiB, %u vCPUs, memory %s",
          k->protected ? "protected" : "unprotected", (unsigned long long)(k->memory >> 20), k->vcpus,
          memory_backing_to_string(k->backing));
    operation_begin(op);
    k->job = true;
    r = inbox_run(m->inbox, launch_work, launch_done, j);
    if (r < 0) {
        k->job = false;
        launch_undo(k, BUS_ERROR_FAILED, "no thread for the launch: try again later");
        return 0;
    }
    j = NULL;
    return 0;
}
