/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages of the daemon: to standard error with the kernel's priority prefix (sd-daemon(3)), so
 * that journald files them; one line each.
 */
#ifndef CVMD_LOG_H
#define CVMD_LOG_H

#include <systemd/sd-daemon.h>
#include <stdio.h>

#define log_full(level, fmt, ...) fprintf(stderr, level fmt "\n" __VA_OPT__(, ) __VA_ARGS__)
#define log_error(...) log_full(SD_ERR, __VA_ARGS__)
#define log_warning(...) log_full(SD_WARNING, __VA_ARGS__)
#define log_notice(...) log_full(SD_NOTICE, __VA_ARGS__)
#define log_info(...) log_full(SD_INFO, __VA_ARGS__)

#endif
