/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every HTTPS request of brokers and their couriers has in common. */
#ifndef CVMCTL_HTTPS_H
#define CVMCTL_HTTPS_H

#include <curl/curl.h>

/*
 * To @url and nowhere else: no other protocol, no proxy, no redirection. @tls: CURL_SSLVERSION_*, the oldest that is spoken; @ca: file with
 * the only certificates that count, NULL: the system's; @seconds: at most; @error: CURL_ERROR_SIZE bytes; all stay the caller's.
 */
void https_prepare(CURL *c, const char *url, long tls, const char *ca, long seconds, char *error);

#endif
