/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl config check, reload */
#include "operation.h"
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CVMD_BINARY
#define CVMD_BINARY "/usr/sbin/cvmd"
#endif

enum { OPT_CVMD = OPTION_LONG };

/* The daemon itself reads the file: nothing else knows its settings. Standard error is caught for --json. */
static int run_check(const char *cvmd, const char *file, char *text, size_t size, int *status) {
    char config[4200];
    char *argv[] = {(char *)cvmd, (char *)"--check", file ? config : NULL, NULL};
    int fds[2];
    size_t n = 0;
    ssize_t k;
    pid_t pid;

    if ((size_t)snprintf(config, sizeof(config), "--config=%s", file ?: "") >= sizeof(config))
        return -ENAMETOOLONG;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    pid = fork();
    if (pid < 0) {
        close(fds[0]);
        close(fds[1]);
        return -errno;
    }
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        dup2(fds[1], STDOUT_FILENO);
        execv(cvmd, argv);
        _exit(127);
    }
    close(fds[1]);
    while (n + 1 < size && (k = read(fds[0], text + n, size - 1 - n)) > 0)
        n += (size_t)k;
    text[n] = 0;
    close(fds[0]);
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

static int verb_config_check(int argc, char **argv) {
    const char *cvmd = CVMD_BINARY, *p;
    _cleanup_json_ json_object *o = NULL;
    char text[4096];
    int c, r, status = 0;
    bool good;

    while ((c = verb_getopt(argc, argv)) >= 0)
        if (c == OPT_CVMD)
            cvmd = optarg;
    r = run_check(cvmd, optind < argc ? argv[optind] : NULL, text, sizeof(text), &status);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s cannot be run: %s", cvmd, strerror(-r));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return fail(argv[0], EXIT_FAILED, "%s cannot be run", cvmd);
    good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    text[strcspn(text, "\n")] = 0;
    p = text[0] == '<' && text[1] && text[2] == '>' ? text + 3 : text; /* the priority, for the journal */
    if (arg_json) {
        o = json_object_new_object();
        json_object_object_add(o, "valid", json_object_new_boolean(good));
        json_object_object_add(o, "error", good ? NULL : json_object_new_string(p));
        r = print_json(o);
        return good ? r : EXIT_FAILED;
    }
    if (!good)
        return fail(argv[0], EXIT_FAILED, "%s", p);
    say("The configuration is valid.\n");
    return EXIT_OK;
}

static int verb_config_reload(int argc, char **argv) {
    struct request q = {.verb = argv[0], .method = "Reload"};
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *o = NULL;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = operation_run(t, &q, true, NULL);
    if (r != 0)
        return r;
    if (arg_json) {
        o = json_object_new_object();
        json_object_object_add(o, "reloaded", json_object_new_boolean(true));
        return print_json(o);
    }
    say("cvmd has read its configuration again.\n");
    return EXIT_OK;
}

static const struct verb_option check_options[] = {
    {"cvmd", OPT_CVMD, "FILE", "the daemon that shall read it, " CVMD_BINARY " if not given"},
    {0},
};

const struct verb config_verbs[] = {
    {.name = "config check",
     .arguments = "[FILE]",
     .summary = "tell whether cvmd would take its configuration",
     .run = verb_config_check,
     .text =
         "Reads FILE, or what cvmd reads, and changes nothing. Says file, line and what must stand there.",
     .options = {check_options}},
    {.name = "config reload",
     .arguments = "",
     .summary = "let cvmd read its configuration again",
     .run = verb_config_reload,
     .text = "Nothing changes if it is not valid.",
     .remote = true},
    {0},
};
