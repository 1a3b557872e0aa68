/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GRUB: its configuration made anew, and the entry of the next boot.
 *
 * grub-mkconfig -o writes over the old grub.cfg with cat: half of it, if it is killed then. Here it writes to
 * a pipe, and what came is put in place whole, if it is a configuration.
 */
#include "atomic.h"
#include "deploy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIG_MAX (4u << 20)

int path_below(const char *root, const char *path, char ret[PATH_MAX], struct cvm_error *e) {
    if (snprintf(ret, PATH_MAX, "%s%s", root, path) >= PATH_MAX)
        return cvm_error_set(e, -ENAMETOOLONG, "'%s%s' is too long", root, path);
    return 0;
}

static void run_child(const char *root, char *const argv[], int in, int out) {
    char *env[8] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    size_t n = 1;
    static const char *const kept[] = {"LANG", "LANGUAGE", "LC_ALL"}; /* the language of GRUB's menu */

    for (size_t i = 0; i < ELEMENTSOF(kept); i++) {
        const char *v = getenv(kept[i]);

        if (v && asprintf(&env[n], "%s=%s", kept[i], v) >= 0)
            n++;
    }
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    if (root[0] && (chroot(root) < 0 || chdir("/") < 0))
        _exit(126);
    execve(argv[0], argv, env);
    _exit(127);
}

/* Runs a program of the host's with its standard output in *ret. */
static int capture(const char *root, char *const argv[], char **ret, size_t *size, struct cvm_error *e) {
    _cleanup_free_ char *text = malloc(CONFIG_MAX + 1);
    int fds[2], null, status;
    size_t n = 0;
    ssize_t k;
    pid_t pid;

    if (!text)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || pipe2(fds, O_CLOEXEC) < 0)
        return cvm_error_set(e, -errno, "%s", strerror(errno));
    pid = fork();
    if (pid == 0)
        run_child(root, argv, null, fds[1]);
    close(null);
    close(fds[1]);
    while (pid > 0 && n < CONFIG_MAX && (k = read(fds[0], text + n, CONFIG_MAX - n)) != 0) {
        if (k < 0 && errno != EINTR)
            break;
        n += k > 0 ? (size_t)k : 0;
    }
    close(fds[0]);
    if (pid < 0)
        return cvm_error_set(e, -EAGAIN, "cannot start %s", argv[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return cvm_error_set(e, -EIO, "%s failed (status %d)%s", argv[0],
                             WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                             WIFEXITED(status) && WEXITSTATUS(status) == 127 ? ": it cannot be run" : "");
    text[n] = 0;
    *size = n;
    *ret = text;
    text = NULL;
    return 0;
}

int grub_update(const char *root, bool expect, bool *changed, struct cvm_error *e) {
    char *const mkconfig[] = {(char *)"/usr/sbin/grub-mkconfig", NULL};
    char *const script_check[] = {(char *)"/usr/bin/grub-script-check",
                                  (char *)"/boot/grub/grub.cfg.cvmd-check", NULL};
    _cleanup_free_ char *config = NULL, *none = NULL;
    char path[PATH_MAX], check[PATH_MAX], tool[PATH_MAX];
    size_t size = 0, nothing;
    int r;

    r = path_below(root, "/boot/grub/grub.cfg", path, e);
    if (r == 0)
        r = path_below(root, script_check[1], check, e);
    if (r == 0)
        r = path_below(root, script_check[0], tool, e);
    if (r == 0)
        r = capture(root, mkconfig, &config, &size, e);
    if (r < 0)
        return r;
    if (!strstr(config, "menuentry "))
        return cvm_error_set(e, -EBADMSG, "grub-mkconfig made no menu entry; %s is left as it was", path);
    if (expect != !!strstr(config, "multiboot2 "))
        return cvm_error_set(e, -EBADMSG, "grub-mkconfig made %s entry of RootVisor; %s is left as it was",
                             expect ? "no" : "still an", path);
    if (atomic_is(path, config, size, 0444))
        return 0;
    if (access(tool, X_OK) == 0) {
        r = atomic_write(check, config, size, 0600, NULL, e);
        if (r == 0)
            r = capture(root, script_check, &none, &nothing, e);
        (void)atomic_remove(check, NULL, NULL);
        if (r < 0)
            return r;
    }
    return atomic_write(path, config, size, 0444, changed, e);
}

/* grubenv: a block of 1024 bytes, a headline, NAME=VALUE lines, filled up with '#'. */
#define ENV_SIZE 1024u
static const char env_head[] = "# GRUB Environment Block\n";

static int read_env(const char *root, char path[PATH_MAX], char text[ENV_SIZE + 1], struct cvm_error *e) {
    _cleanup_free_ char *old = NULL;
    size_t size = 0;
    int r;

    r = path_below(root, "/boot/grub/grubenv", path, e);
    if (r < 0)
        return r;
    r = cvm_read_file(path, ENV_SIZE, (void **)&old, &size, NULL);
    if (r == -ENOENT) {
        strcpy(text, env_head);
        return 0;
    }
    if (r < 0 || size != ENV_SIZE || strncmp(old, env_head, sizeof(env_head) - 1) != 0)
        return cvm_error_set(e, -EBADMSG, "'%s' is no environment block of GRUB", path);
    while (size && old[size - 1] == '#')
        size--;
    memcpy(text, old, size);
    text[size] = 0;
    return 0;
}

int grub_get_next(const char *root, char *ret, size_t size) {
    char path[PATH_MAX], text[ENV_SIZE + 1];
    const char *p;
    int r = read_env(root, path, text, NULL);

    ret[0] = 0;
    if (r < 0)
        return r;
    p = strstr(text, "\nnext_entry=");
    if (p)
        snprintf(ret, size, "%.*s", (int)strcspn(p + 12, "\n"), p + 12);
    return 0;
}

int grub_set_next(const char *root, const char *entry, bool *changed, struct cvm_error *e) {
    char path[PATH_MAX], text[ENV_SIZE + 1], out[ENV_SIZE + 64] = "";
    size_t n = 0;
    int r = read_env(root, path, text, e);

    if (r < 0)
        return r;
    for (char *line = text, *next; *line; line = next) {
        size_t k = strcspn(line, "\n");

        next = line + k + (line[k] == '\n');
        if (strncmp(line, "next_entry=", 11) != 0)
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s\n", (int)k, line);
    }
    if (entry[0])
        n += (size_t)snprintf(out + n, sizeof(out) - n, "next_entry=%s\n", entry);
    if (n > ENV_SIZE)
        return cvm_error_set(e, -ENOSPC, "'%s' is full", path);
    memset(out + n, '#', ENV_SIZE - n);
    return atomic_write(path, out, ENV_SIZE, 0644, changed, e);
}
