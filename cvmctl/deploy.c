/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl host deploy, undeploy, status.
 *
 * Each step leaves the host bootable, and is repeated without harm: images under names of their content, the
 * list that names them, the script of grub-mkconfig, GRUB's default, grub.cfg, the entry of the next boot,
 * and last what nothing names any more. Undoing goes the other way.
 */
#include "deploy.h"

#include "atomic.h"
#include "attest/digest.h"
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IMAGE_DIR "/boot/cvmd"
#define LIST_FILE "/boot/cvmd/deployed"
#define SCRIPT "/etc/grub.d/22_linux_cvmd"
#define DEFAULT_FILE "/etc/default/grub.d/cvmd.cfg"
#define ENTRY "cvmd"
#define IMAGE_MAX (32u << 20)

enum boot { BOOT_ONCE, BOOT_ALWAYS, BOOT_NEVER };

static const char *const boot_names[] = {
    [BOOT_ONCE] = "once", [BOOT_ALWAYS] = "always", [BOOT_NEVER] = "never"};

struct deploy {
    const char *verb, *root, *images;
    enum boot boot;
    bool force, dry_run, boot_given;
    bool changed, tried;
    struct cvm_error e;
};

enum { OPT_ROOT = OPTION_LONG, OPT_IMAGES, OPT_BOOT, OPT_FORCE, OPT_CHECK };

const struct verb_option root_options[] = {
    {"root", OPT_ROOT, "DIR", "the host whose file system is at DIR, not this one"},
    {0},
};
const struct verb_option deploy_options[] = {
    {"boot", OPT_BOOT, "once|always|never",
     "what GRUB starts from now on: RootVisor at the next boot only\n(the default), at each boot, or only "
     "when chosen from the menu"},
    {"images", OPT_IMAGES, "DIR", "where the images are, /usr/lib/cvmd if not given"},
    {"check", OPT_CHECK, NULL, "only tell what stands in the way"},
    {"force", OPT_FORCE, NULL, "deploy although something does"},
    {0},
};

/* "/" and a trailing slash say nothing. */
static const char *normal_root(char *root) {
    size_t n = strlen(root);

    while (n && root[n - 1] == '/')
        root[--n] = 0;
    return root;
}

static int parse(int argc, char **argv, struct deploy *d) {
    int c;

    *d = (struct deploy){.verb = argv[0], .root = "", .images = "/usr/lib/cvmd"};
    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_ROOT:
            d->root = normal_root(optarg);
            break;
        case OPT_IMAGES:
            d->images = optarg;
            break;
        case OPT_BOOT:
            d->boot_given = true;
            for (d->boot = BOOT_ONCE; d->boot <= BOOT_NEVER && strcmp(optarg, boot_names[d->boot]) != 0;
                 d->boot++)
                ;
            if (d->boot > BOOT_NEVER)
                return usage_error(argv[0], "--boot %s is neither once nor always nor never", optarg);
            break;
        case OPT_CHECK:
            d->dry_run = true;
            break;
        case OPT_FORCE:
            d->force = true;
            break;
        }
    return 0;
}

static int read_list(struct deploy *d, struct deployed *ret) {
    _cleanup_free_ char *text = NULL;
    char path[PATH_MAX];
    size_t size;
    int r;

    memset(ret, 0, sizeof(*ret));
    r = path_below(d->root, LIST_FILE, path, &d->e);
    if (r == 0)
        r = cvm_read_file(path, 1 << 16, (void **)&text, &size, &d->e);
    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r == 0) {
        char *s = realloc(text, size + 1);

        if (!s)
            return cvm_error_set(&d->e, -ENOMEM, "out of memory");
        text = s;
        text[size] = 0;
        r = deployed_parse(text, ret);
        if (r < 0)
            return cvm_error_set(&d->e, r, "'%s' is not what cvmctl wrote; remove it and deploy again", path);
    }
    return r;
}

struct image {
    void *data;
    size_t size;
};

static int read_image(struct deploy *d, const char *name, struct image *ret) {
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", d->images, name) >= PATH_MAX)
        return cvm_error_set(&d->e, -ENAMETOOLONG, "the path is too long");
    return cvm_read_file(path, IMAGE_MAX, &ret->data, &ret->size, &d->e);
}

/* Names, and digests of two kinds: of the file, and as a report measures it. */
static int name_images(struct deploy *d, const struct image *rootvisor, const struct image *guardian,
                       struct deployed_images *ret) {
    uint8_t digest[CVM_DIGEST_SIZE];
    uint32_t svn;
    int r;

    r = cvm_sha384(rootvisor->data, rootvisor->size, digest);
    if (r == 0) {
        cvm_hex_encode(digest, sizeof(digest), ret->rootvisor_sha384);
        r = cvm_sha384(guardian->data, guardian->size, digest);
    }
    if (r < 0)
        return cvm_error_set(&d->e, r, "cannot hash the images");
    cvm_hex_encode(digest, sizeof(digest), ret->guardian_sha384);
    r = cvm_rootvisor_digest(rootvisor->data, rootvisor->size, digest, &d->e);
    if (r < 0)
        return r;
    cvm_hex_encode(digest, sizeof(digest), ret->rootvisor_measured);
    r = cvm_guardian_digest(guardian->data, guardian->size, digest, &svn, &d->e);
    if (r < 0)
        return r;
    cvm_hex_encode(digest, sizeof(digest), ret->guardian_measured);
    snprintf(ret->rootvisor, sizeof(ret->rootvisor), "rootvisor-%.16s", ret->rootvisor_sha384);
    snprintf(ret->guardian, sizeof(ret->guardian), "guardian-%.16s", ret->guardian_sha384);
    return 0;
}

static int put(struct deploy *d, const char *path, const void *p, size_t size, mode_t mode) {
    char to[PATH_MAX];
    int r = path_below(d->root, path, to, &d->e);

    return r < 0 ? r : atomic_write(to, p, size, mode, &d->changed, &d->e);
}

static int put_image(struct deploy *d, const char *name, const struct image *i) {
    char path[128];

    snprintf(path, sizeof(path), IMAGE_DIR "/%s", name);
    return put(d, path, i->data, i->size, 0600); /* nothing secret; nobody else has business there */
}

static int drop(struct deploy *d, const char *path) {
    char p[PATH_MAX];
    int r = path_below(d->root, path, p, &d->e);

    return r < 0 ? r : atomic_remove(p, &d->changed, &d->e);
}

/* Images that the list does not name, and what a kill left half-written. */
static int sweep(struct deploy *d, const struct deployed *list) {
    char path[PATH_MAX], name[512];
    struct dirent *de;
    int r = path_below(d->root, IMAGE_DIR, path, &d->e);
    DIR *dir = r == 0 ? opendir(path) : NULL;

    while (dir && r == 0 && (de = readdir(dir))) {
        const char *n = de->d_name;

        if (n[0] == '.' || strcmp(n, "deployed") == 0 || strcmp(n, list->current.rootvisor) == 0 ||
            strcmp(n, list->current.guardian) == 0 || strcmp(n, list->previous.rootvisor) == 0 ||
            strcmp(n, list->previous.guardian) == 0)
            continue;
        snprintf(name, sizeof(name), IMAGE_DIR "/%s", n);
        r = drop(d, name);
    }
    if (dir)
        closedir(dir);
    return r;
}

static int put_list(struct deploy *d, const struct deployed *list) {
    _cleanup_free_ char *text = deployed_format(list);

    return text ? put(d, LIST_FILE, text, strlen(text), 0644)
                : cvm_error_set(&d->e, -ENOMEM, "out of memory");
}

static int put_script(struct deploy *d) {
    struct image script = {0};
    int r = read_image(d, "22_linux_cvmd", &script);

    if (r == 0)
        r = put(d, SCRIPT, script.data, script.size, 0755);
    free(script.data);
    return r;
}

/* What GRUB starts. Nothing changes at a boot that was asked for before, unless --boot says so. */
static int put_default(struct deploy *d) {
    static const char text[] = "# Written by cvmctl host deploy --boot always.\nGRUB_DEFAULT=" ENTRY "\n";

    if (d->boot == BOOT_ALWAYS) {
        char path[PATH_MAX];
        int r = path_below(d->root, "/etc/default/grub.d", path, &d->e);

        return r < 0 ? r : atomic_mkdir(path, &d->e) ?: put(d, DEFAULT_FILE, text, sizeof(text) - 1, 0644);
    }
    return d->boot_given ? drop(d, DEFAULT_FILE) : 0;
}

static bool same_images(const struct deployed_images *a, const struct deployed_images *b) {
    return strcmp(a->rootvisor_sha384, b->rootvisor_sha384) == 0 &&
           strcmp(a->guardian_sha384, b->guardian_sha384) == 0;
}

static int install(struct deploy *d, const struct image *rootvisor, const struct image *guardian,
                   struct deployed *list) {
    struct deployed_images now = {0};
    char path[PATH_MAX];
    int r;

    r = read_list(d, list);
    if (r == 0)
        r = name_images(d, rootvisor, guardian, &now);
    if (r == 0)
        r = path_below(d->root, IMAGE_DIR, path, &d->e);
    if (r == 0)
        r = atomic_mkdir(path, &d->e);
    if (r == 0)
        r = put_image(d, now.rootvisor, rootvisor);
    if (r == 0)
        r = put_image(d, now.guardian, guardian);
    if (r < 0)
        return r;
    if (!same_images(&list->current, &now)) {
        if (list->current.rootvisor[0])
            list->previous = list->current;
        list->trial = true;
    }
    /* The same images deployed again are no reason to try them once more, unless somebody says so. */
    list->trial = d->boot == BOOT_ONCE && (list->trial || d->boot_given);
    list->current = now;
    r = put_list(d, list);
    if (r == 0)
        r = put_script(d);
    if (r == 0)
        r = put_default(d);
    if (r == 0)
        r = grub_update(d->root, true, &d->changed, &d->e);
    if (r == 0 && list->trial) {
        r = grub_set_next(d->root, ENTRY, &d->changed, &d->e);
        list->trial = false;
        d->tried = true;
        if (r == 0)
            r = put_list(d, list);
    }
    return r < 0 ? r : sweep(d, list);
}

static int deploy(struct deploy *d, struct deployed *list) {
    struct image rootvisor = {0}, guardian = {0};
    int r;

    r = read_image(d, "rootvisor", &rootvisor);
    if (r == 0)
        r = read_image(d, "guardian.bin", &guardian);
    if (r == 0)
        r = install(d, &rootvisor, &guardian, list);
    free(rootvisor.data);
    free(guardian.data);
    return r;
}

static int undeploy(struct deploy *d) {
    struct deployed none = {0};
    char next[128] = "", path[PATH_MAX];
    int r;

    r = drop(d, DEFAULT_FILE);
    if (r == 0 && grub_get_next(d->root, next, sizeof(next)) == 0 &&
        strncmp(next, ENTRY, sizeof(ENTRY) - 1) == 0)
        r = grub_set_next(d->root, "", &d->changed, &d->e);
    if (r == 0)
        r = drop(d, SCRIPT);
    /* The old grub.cfg names the images until this is done. */
    if (r == 0)
        r = grub_update(d->root, false, &d->changed, &d->e);
    if (r == 0)
        r = drop(d, LIST_FILE);
    if (r == 0)
        r = sweep(d, &none);
    if (r == 0 && path_below(d->root, IMAGE_DIR, path, NULL) == 0)
        (void)rmdir(path);
    return r;
}

/* --- what is told --- */

static const char *const state_names[] = {
    [CHECK_GOOD] = "good", [CHECK_WARNING] = "warning", [CHECK_BAD] = "bad", [CHECK_UNKNOWN] = "unknown"};

static json_object *checks_to_json(const struct check *checks, unsigned n) {
    json_object *list = json_object_new_array();

    for (unsigned i = 0; i < n; i++) {
        json_object *o = json_object_new_object();

        json_object_object_add(o, "name", json_object_new_string(checks[i].name));
        json_object_object_add(o, "state", json_object_new_string(state_names[checks[i].state]));
        json_object_object_add(o, "text", json_object_new_string(checks[i].text));
        json_object_array_add(list, o);
    }
    return list;
}

static void print_checks(const struct check *checks, unsigned n, enum check_state from) {
    static const char *const marks[] = {
        [CHECK_GOOD] = "✓", [CHECK_WARNING] = "!", [CHECK_BAD] = "✗", [CHECK_UNKNOWN] = "?"};
    static const char *const paints[] = {[CHECK_GOOD] = "\033[32m",
                                         [CHECK_WARNING] = "\033[33m",
                                         [CHECK_BAD] = "\033[31m",
                                         [CHECK_UNKNOWN] = ""};
    bool paint = colour();

    for (unsigned i = 0; i < n; i++)
        if (checks[i].state >= from)
            say("%s%s%s %-12s %s\n", paint ? paints[checks[i].state] : "", marks[checks[i].state],
                paint ? "\033[0m" : "", checks[i].name, checks[i].text);
}

static unsigned count_bad(const struct check *checks, unsigned n) {
    unsigned bad = 0;

    for (unsigned i = 0; i < n; i++)
        bad += checks[i].state == CHECK_BAD;
    return bad;
}

static json_object *images_to_json(const struct deployed_images *i) {
    json_object *o;

    if (!i->rootvisor[0])
        return NULL;
    o = json_object_new_object();
    json_object_object_add(o, "rootvisor", json_object_new_string(i->rootvisor));
    json_object_object_add(o, "rootvisor_sha384", json_object_new_string(i->rootvisor_sha384));
    json_object_object_add(o, "rootvisor_digest", json_object_new_string(i->rootvisor_measured));
    json_object_object_add(o, "guardian", json_object_new_string(i->guardian));
    json_object_object_add(o, "guardian_sha384", json_object_new_string(i->guardian_sha384));
    json_object_object_add(o, "guardian_digest", json_object_new_string(i->guardian_measured));
    return o;
}

int verb_host_deploy(int argc, char **argv) {
    struct check checks[CHECKS_MAX];
    struct deployed list;
    struct deploy d;
    unsigned n, bad;
    int r;

    r = parse(argc, argv, &d);
    if (r != 0)
        return r;
    n = deploy_checks(d.root, checks);
    bad = count_bad(checks, n);
    if (d.dry_run) {
        _cleanup_json_ json_object *o = json_object_new_object();

        json_object_object_add(o, "checks", checks_to_json(checks, n));
        if (arg_json)
            print_json(o);
        else
            print_checks(checks, n, CHECK_GOOD);
        return bad ? EXIT_REFUSED : EXIT_OK;
    }
    if (bad && !d.force) {
        if (arg_json) {
            _cleanup_json_ json_object *o = json_object_new_object();

            json_object_object_add(o, "changed", json_object_new_boolean(false));
            json_object_object_add(o, "checks", checks_to_json(checks, n));
            print_json(o);
        } else
            for (unsigned i = 0; i < n; i++)
                if (checks[i].state == CHECK_BAD)
                    fprintf(stderr, "cvmctl host deploy: %s: %s\n", checks[i].name, checks[i].text);
        return fail(argv[0], EXIT_REFUSED, "nothing was changed; --force deploys nevertheless");
    }
    r = deploy(&d, &list);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", d.e.text);
    if (arg_json) {
        _cleanup_json_ json_object *o = json_object_new_object();

        json_object_object_add(o, "changed", json_object_new_boolean(d.changed));
        json_object_object_add(o, "boot", json_object_new_string(boot_names[d.boot]));
        json_object_object_add(o, "current", images_to_json(&list.current));
        json_object_object_add(o, "previous", images_to_json(&list.previous));
        json_object_object_add(o, "checks", checks_to_json(checks, n));
        return print_json(o);
    }
    print_checks(checks, n, CHECK_WARNING);
    if (!d.changed)
        say("Deployed already; nothing changed.\n");
    else if (d.tried)
        say("Deployed. The next boot starts RootVisor, the one after it what was started so far; if all is "
            "well,\n"
            "'cvmctl host deploy --boot always' makes it the default.\n");
    else
        say("Deployed. What GRUB starts: see 'cvmctl host status'.\n");
    return EXIT_OK;
}

int verb_host_undeploy(int argc, char **argv) {
    struct deploy d;
    int r;

    r = parse(argc, argv, &d);
    if (r != 0)
        return r;
    r = undeploy(&d);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", d.e.text);
    if (arg_json) {
        _cleanup_json_ json_object *o = json_object_new_object();

        json_object_object_add(o, "changed", json_object_new_boolean(d.changed));
        return print_json(o);
    }
    say(d.changed ? "RootVisor is no more in GRUB's menu; it runs on until the next boot.\n"
                  : "Nothing was deployed.\n");
    return EXIT_OK;
}

/* "intact", "missing", "changed": a file against its digest in the list. */
static const char *image_state(struct deploy *d, const char *name, const char *sha384) {
    char path[PATH_MAX], hex[97], file[128];
    uint8_t digest[CVM_DIGEST_SIZE];
    _cleanup_free_ void *data = NULL;
    size_t size;

    snprintf(file, sizeof(file), IMAGE_DIR "/%s", name);
    if (path_below(d->root, file, path, NULL) < 0 || cvm_read_file(path, IMAGE_MAX, &data, &size, NULL) < 0 ||
        cvm_sha384(data, size, digest) < 0)
        return "missing";
    return strcmp(cvm_hex_encode(digest, sizeof(digest), hex), sha384) == 0 ? "intact" : "changed";
}

static bool file_has(struct deploy *d, const char *path, const char *what) {
    _cleanup_free_ char *text = NULL;
    char p[PATH_MAX];
    size_t size;

    return path_below(d->root, path, p, NULL) == 0 &&
           cvm_read_file(p, IMAGE_MAX, (void **)&text, &size, NULL) == 0 &&
           memmem(text, size, what, strlen(what));
}

int verb_host_status(int argc, char **argv) {
    static const struct field fields[] = {
        {"deployed", "deployed", "Deployed", FORMAT_YES_NO},
        {"rootvisor", "rootvisor", "RootVisor", FORMAT_PLAIN},
        {"rootvisor_state", "rootvisor_state", "its file", FORMAT_PLAIN},
        {"rootvisor_digest", "rootvisor_digest", "its digest in reports", FORMAT_PLAIN},
        {"guardian", "guardian", "Guardian", FORMAT_PLAIN},
        {"guardian_state", "guardian_state", "its file", FORMAT_PLAIN},
        {"guardian_digest", "guardian_digest", "its digest in reports", FORMAT_PLAIN},
        {"in_menu", "in_menu", "In GRUB's menu", FORMAT_YES_NO},
        {"boot", "boot", "Started", FORMAT_PLAIN},
        {"running", "running", "Runs now", FORMAT_YES_NO},
    };
    _cleanup_json_ json_object *o = json_object_new_object();
    struct check checks[CHECKS_MAX];
    const char *rootvisor, *guardian, *boot;
    char path[PATH_MAX], next[128] = "";
    struct deployed list;
    struct deploy d;
    bool in_menu, bad;
    unsigned n;
    int r;

    r = parse(argc, argv, &d);
    if (r != 0)
        return r;
    r = read_list(&d, &list);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", d.e.text);
    (void)grub_get_next(d.root, next, sizeof(next));
    in_menu = list.current.rootvisor[0] && file_has(&d, "/boot/grub/grub.cfg", list.current.rootvisor);
    boot = file_has(&d, DEFAULT_FILE, "GRUB_DEFAULT=" ENTRY) ? "always"
           : strcmp(next, ENTRY) == 0                        ? "once"
                                                             : "never";
    rootvisor = list.current.rootvisor[0]
                    ? image_state(&d, list.current.rootvisor, list.current.rootvisor_sha384)
                    : "";
    guardian =
        list.current.guardian[0] ? image_state(&d, list.current.guardian, list.current.guardian_sha384) : "";
#define STRING(key, s) json_object_object_add(o, key, (s)[0] ? json_object_new_string(s) : NULL)
    json_object_object_add(o, "deployed", json_object_new_boolean(list.current.rootvisor[0]));
    STRING("rootvisor", list.current.rootvisor);
    STRING("rootvisor_state", rootvisor);
    STRING("rootvisor_digest", list.current.rootvisor_measured);
    STRING("guardian", list.current.guardian);
    STRING("guardian_state", guardian);
    STRING("guardian_digest", list.current.guardian_measured);
#undef STRING
    json_object_object_add(o, "previous", images_to_json(&list.previous));
    json_object_object_add(o, "in_menu", json_object_new_boolean(in_menu));
    json_object_object_add(o, "boot", json_object_new_string(boot));
    json_object_object_add(
        o, "running",
        json_object_new_boolean(path_below(d.root, "/sys/firmware/acpi/tables/CVMD", path, NULL) == 0 &&
                                access(path, F_OK) == 0));
    n = deploy_checks(d.root, checks);
    json_object_object_add(o, "checks", checks_to_json(checks, n));
    bad = list.current.rootvisor[0] &&
          (strcmp(rootvisor, "intact") != 0 || strcmp(guardian, "intact") != 0 || !in_menu);
    if (arg_json)
        print_json(o);
    else if (!arg_quiet) {
        fields_print(fields, ELEMENTSOF(fields), o);
        putchar('\n');
        print_checks(checks, n, CHECK_GOOD);
    }
    return bad ? fail(argv[0], EXIT_FAILED, "what is deployed is not whole; 'cvmctl host deploy' repairs it")
               : EXIT_OK;
}
