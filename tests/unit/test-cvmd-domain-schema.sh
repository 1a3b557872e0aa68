#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every golden domain is valid by libvirt's own schema.
for tool in virt-xml-validate xmllint; do
	command -v $tool > /dev/null || { echo "$tool is not installed"; exit 77; }
done
status=0
for f in "$1"/domain-*.xml; do
	virt-xml-validate "$f" domain || status=1
done
exit $status
