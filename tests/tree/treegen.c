/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tree/treegen.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define DEVICES "bus/pci/devices"
#define DRIVERS "bus/pci/drivers"
#define GROUPS "kernel/iommu_groups"

static int format_path(char path[static PATH_MAX], const char *format, ...) _printf_(2, 3);

static int format_path(char path[static PATH_MAX], const char *format, ...) {
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(path, PATH_MAX, format, arguments);
        va_end(arguments);
        return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int make_directories(int root_fd, const char *path) {
        char prefix[PATH_MAX];
        int r = format_path(prefix, "%s/", path);

        if (r < 0)
                return r;
        for (char *slash = strchr(prefix, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdirat(root_fd, prefix, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *slash = '/';
        }
        return 0;
}

static int open_directory(int root_fd, const char *path) {
        return RET_NERRNO(openat(root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int write_bytes(int dir_fd, const char *name, const void *bytes, size_t size) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, bytes, size);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EIO;
}

static int write_text(int dir_fd, const char *name, const char *format, ...) _printf_(3, 4);

static int write_text(int dir_fd, const char *name, const char *format, ...) {
        char text[PATH_MAX];
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        if (n < 0 || (size_t) n >= sizeof(text))
                return -E2BIG;
        return write_bytes(dir_fd, name, text, (size_t) n);
}

/* Like write_bytes(), but a reader sees either the old or the new text. */
static int replace_text(int dir_fd, const char *name, const char *text) {
        char fresh[NAME_MAX + 1];
        int r;

        if ((size_t) snprintf(fresh, sizeof(fresh), ".%s.%ld", name, (long) getpid()) >= sizeof(fresh))
                return -ENAMETOOLONG;
        r = write_bytes(dir_fd, fresh, text, strlen(text));
        if (r < 0)
                return r;
        return RET_NERRNO(renameat(dir_fd, fresh, dir_fd, name));
}

/* A relative symlink at `path` to `target`, both below the root. */
static int make_link(int root_fd, const char *target, const char *path) {
        char text[PATH_MAX] = "";
        size_t length = 0;

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                if (length + strlen("../") >= sizeof(text))
                        return -ENAMETOOLONG;
                length += (size_t) sprintf(text + length, "../");
        }
        if (length + strlen(target) >= sizeof(text))
                return -ENAMETOOLONG;
        strcpy(text + length, target);
        return RET_NERRNO(symlinkat(text, root_fd, path));
}

/* What a link made by make_link() points to, from the root. */
static int read_link(int root_fd, const char *path, char ret[static PATH_MAX]) {
        char text[PATH_MAX];
        const char *target = text;
        ssize_t n = readlinkat(root_fd, path, text, sizeof(text) - 1);

        if (n < 0)
                return -errno;
        text[n] = '\0';
        while (strncmp(target, "../", 3) == 0)
                target += 3;
        return format_path(ret, "%s", target);
}

static int find_device(int root_fd, const char *address, char ret[static PATH_MAX]) {
        char path[PATH_MAX];
        int r = format_path(path, DEVICES "/%s", address);

        return r < 0 ? r : read_link(root_fd, path, ret);
}

static int remove_tree_at(int dir_fd, const char *name);

static int remove_entries(int dir_fd, const char *name) {
        struct dirent *entry;
        DIR *directory;
        int fd, r = 0;

        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        directory = fdopendir(fd);
        if (!directory) {
                safe_close(fd);
                return -ENOMEM;
        }

        while (r >= 0 && (entry = readdir(directory)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = remove_tree_at(fd, entry->d_name);

        (void) closedir(directory);
        return r;
}

static int remove_tree_at(int dir_fd, const char *name) {
        int r;

        if (unlinkat(dir_fd, name, 0) >= 0)
                return 0;
        if (errno != EISDIR)
                return -errno;

        r = remove_entries(dir_fd, name);
        if (r < 0)
                return r;
        return RET_NERRNO(unlinkat(dir_fd, name, AT_REMOVEDIR));
}

int treegen_remove_path(int root_fd, const char *path) {
        return remove_tree_at(root_fd, path);
}

int treegen_prepare(int root_fd) {
        static const char *const directories[] = {DEVICES, DRIVERS, GROUPS, "class/iommu", "devices/virtual", "module"};
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(directories) && r >= 0; i++)
                r = make_directories(root_fd, directories[i]);
        return r;
}

static const char *temporary_directory(void) {
        const char *directory = getenv("TMPDIR");

        if (directory && *directory)
                return directory;
        return access("/dev/shm", W_OK) >= 0 ? "/dev/shm" : "/tmp";
}

int treegen_new(TreeGen **ret) {
        _cleanup_(treegen_freep) TreeGen *tree = calloc(1, sizeof(TreeGen));
        int r;

        if (!tree)
                return -ENOMEM;
        tree->fd = -EBADF;
        if (asprintf(&tree->path, "%s/treegen-XXXXXX", temporary_directory()) < 0) {
                tree->path = NULL;
                return -ENOMEM;
        }
        if (!mkdtemp(tree->path)) {
                r = -errno;
                free(TAKE_PTR(tree->path));
                return r;
        }

        tree->fd = open_directory(AT_FDCWD, tree->path);
        if (tree->fd < 0)
                return tree->fd;
        r = treegen_prepare(tree->fd);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(tree);
        return 0;
}

TreeGen *treegen_free(TreeGen *tree) {
        if (!tree)
                return NULL;
        safe_close(tree->fd);
        if (tree->path)
                (void) remove_tree_at(AT_FDCWD, tree->path);
        free(tree->path);
        free(tree);
        return NULL;
}

int treegen_add_driver(int root_fd, const char *name) {
        static const char *const files[] = {"bind", "unbind", "new_id", "remove_id", "uevent"};
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX];
        int r;

        r = format_path(path, DRIVERS "/%s", name);
        if (r < 0)
                return r;
        if (mkdirat(root_fd, path, 0755) < 0)
                return -errno;
        fd = open_directory(root_fd, path);
        if (fd < 0)
                return fd;
        for (size_t i = 0; i < ELEMENTSOF(files) && r >= 0; i++)
                r = write_text(fd, files[i], "%s", "");
        return r;
}

/* The two links of a binding: where the device's `driver` goes and where the driver's link to the device goes. */
static int binding_paths(int root_fd, const char *address, const char *driver, char device_link[static PATH_MAX],
                         char driver_link[static PATH_MAX], char device_path[static PATH_MAX]) {
        int r = find_device(root_fd, address, device_path);

        if (r < 0)
                return r;
        r = format_path(device_link, "%s/driver", device_path);
        return r < 0 ? r : format_path(driver_link, DRIVERS "/%s/%s", driver, address);
}

static int link_driver(int root_fd, const char *device_path, const char *driver) {
        const char *address = strrchr(device_path, '/') + 1;
        char driver_path[PATH_MAX], path[PATH_MAX];
        int r;

        r = format_path(driver_path, DRIVERS "/%s", driver);
        if (r < 0)
                return r;
        if (faccessat(root_fd, driver_path, F_OK, 0) < 0)
                return -ENODEV;

        r = format_path(path, "%s/driver", device_path);
        if (r < 0)
                return r;
        r = make_link(root_fd, driver_path, path);
        if (r < 0)
                return r == -EEXIST ? -EBUSY : r;
        r = format_path(path, DRIVERS "/%s/%s", driver, address);
        return r < 0 ? r : make_link(root_fd, device_path, path);
}

int treegen_bind(int root_fd, const char *address, const char *driver) {
        char device_path[PATH_MAX];
        int r = find_device(root_fd, address, device_path);

        return r < 0 ? r : link_driver(root_fd, device_path, driver);
}

int treegen_unbind(int root_fd, const char *address, const char *driver) {
        char device_path[PATH_MAX], device_link[PATH_MAX], driver_link[PATH_MAX];
        int r = binding_paths(root_fd, address, driver, device_link, driver_link, device_path);

        if (r < 0)
                return r;
        if (unlinkat(root_fd, driver_link, 0) < 0)
                return errno == ENOENT ? -ENODEV : -errno;
        return RET_NERRNO(unlinkat(root_fd, device_link, 0));
}

int treegen_open_device(int root_fd, const char *address) {
        char path[PATH_MAX];
        int r = find_device(root_fd, address, path);

        return r < 0 ? r : open_directory(root_fd, path);
}

int treegen_set_attribute(int root_fd, const char *address, const char *attribute, const char *text) {
        _cleanup_close_ int fd = treegen_open_device(root_fd, address);

        return fd < 0 ? fd : replace_text(fd, attribute, text);
}

int treegen_set_override(int root_fd, const char *address, const char *driver) {
        char text[PATH_MAX];
        int r = format_path(text, "%s\n", driver && *driver ? driver : "(null)");

        return r < 0 ? r : treegen_set_attribute(root_fd, address, "driver_override", text);
}

int treegen_set_group_attribute(int root_fd, uint32_t group, const char *attribute, const char *text) {
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX];
        int r = format_path(path, GROUPS "/%u", group);

        if (r < 0)
                return r;
        fd = open_directory(root_fd, path);
        return fd < 0 ? fd : replace_text(fd, attribute, text);
}

/* Under another name at first, so that no reader sees half a group. */
static int make_group(int root_fd, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (mkdirat(root_fd, path, 0755) < 0)
                return -errno;
        fd = open_directory(root_fd, path);
        if (fd < 0)
                return fd;
        r = write_text(fd, "type", "DMA-FQ\n");
        if (r < 0)
                return r;
        r = write_text(fd, "reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n");
        return r < 0 ? r : RET_NERRNO(mkdirat(fd, "devices", 0755));
}

int treegen_add_group(int root_fd, uint32_t number) {
        char path[PATH_MAX], fresh[PATH_MAX];
        int r;

        r = format_path(path, GROUPS "/%u", number);
        if (r < 0)
                return r;
        if (faccessat(root_fd, path, F_OK, 0) >= 0)
                return -EEXIST;
        r = format_path(fresh, GROUPS "/.%u.%ld", number, (long) getpid());
        if (r < 0)
                return r;
        r = make_group(root_fd, fresh);
        return r < 0 ? r : RET_NERRNO(renameat(root_fd, fresh, root_fd, path));
}

/* Links a member and its group to each other, both ways. */
static int join_group(int root_fd, uint32_t group, const char *device_path) {
        char path[PATH_MAX], link[PATH_MAX];
        int r = treegen_add_group(root_fd, group);

        if (r < 0 && r != -EEXIST)
                return r;
        r = format_path(path, GROUPS "/%u", group);
        if (r < 0)
                return r;
        r = format_path(link, "%s/iommu_group", device_path);
        if (r < 0)
                return r;
        r = make_link(root_fd, path, link);
        if (r < 0)
                return r;
        r = format_path(link, GROUPS "/%u/devices/%s", group, strrchr(device_path, '/') + 1);
        return r < 0 ? r : make_link(root_fd, device_path, link);
}

/* A group goes with its last member. */
static int leave_group(int root_fd, const char *device_path) {
        char group_path[PATH_MAX], path[PATH_MAX];
        int r;

        r = format_path(path, "%s/iommu_group", device_path);
        if (r < 0)
                return r;
        r = read_link(root_fd, path, group_path);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (unlinkat(root_fd, path, 0) < 0)
                return -errno;

        r = format_path(path, "%s/devices/%s", group_path, strrchr(device_path, '/') + 1);
        if (r < 0)
                return r;
        if (unlinkat(root_fd, path, 0) < 0)
                return -errno;
        *strrchr(path, '/') = '\0';
        if (unlinkat(root_fd, path, AT_REMOVEDIR) < 0)
                return errno == ENOTEMPTY ? 0 : -errno;
        r = format_path(path, GROUPS "/.%s.%ld", strrchr(group_path, '/') + 1, (long) getpid());
        if (r < 0)
                return r;
        if (renameat(root_fd, group_path, root_fd, path) < 0)
                return -errno;
        return remove_tree_at(root_fd, path);
}

int treegen_add_other(int root_fd, uint32_t group, const char *name, const char *subsystem, const char *driver) {
        char device_path[PATH_MAX], target[PATH_MAX], path[PATH_MAX];
        int r;

        r = format_path(device_path, "devices/%s/%s", subsystem ? subsystem : "virtual", name);
        if (r < 0)
                return r;
        r = make_directories(root_fd, device_path);
        if (r < 0)
                return r;

        for (int i = 0; i < 2; i++) {
                if (i == 0 ? !subsystem : !driver)
                        continue;
                r = i == 0 ? format_path(target, "bus/%s", subsystem) : format_path(target, "bus/%s/drivers/%s", subsystem ? subsystem : "none", driver);
                if (r < 0)
                        return r;
                r = make_directories(root_fd, target);
                if (r < 0)
                        return r;
                r = format_path(path, "%s/%s", device_path, i == 0 ? "subsystem" : "driver");
                if (r < 0)
                        return r;
                r = make_link(root_fd, target, path);
                if (r < 0)
                        return r;
        }
        return join_group(root_fd, group, device_path);
}

int treegen_add_iommu(int root_fd, const char *name) {
        char device_path[PATH_MAX], path[PATH_MAX];
        int r;

        r = format_path(device_path, "devices/virtual/iommu/%s", name);
        if (r < 0)
                return r;
        r = make_directories(root_fd, device_path);
        if (r < 0)
                return r;
        r = format_path(path, "class/iommu/%s", name);
        return r < 0 ? r : make_link(root_fd, device_path, path);
}

int treegen_add_vfio_dev(int root_fd, const char *address, unsigned n, bool cdev) {
        _cleanup_close_ int fd = treegen_open_device(root_fd, address), child_fd = -EBADF;
        char path[PATH_MAX];
        int r;

        if (fd < 0)
                return fd;
        r = format_path(path, "vfio-dev/vfio%u", n);
        if (r < 0)
                return r;
        r = make_directories(fd, path);
        if (r < 0 || !cdev)
                return r;
        child_fd = open_directory(fd, path);
        return child_fd < 0 ? child_fd : write_text(child_fd, "dev", "511:%u\n", n);
}

int treegen_remove_vfio_dev(int root_fd, const char *address) {
        _cleanup_close_ int fd = treegen_open_device(root_fd, address);

        return fd < 0 ? fd : remove_tree_at(fd, "vfio-dev");
}

/* The first 64 bytes of config space, as far as anybody looks at them. */
static int write_config(int fd, const TreeDevice *d) {
        uint8_t config[64] = {
                [0x00] = (uint8_t) d->vendor, (uint8_t) (d->vendor >> 8),
                [0x02] = (uint8_t) d->device, (uint8_t) (d->device >> 8),
                [0x08] = d->revision, (uint8_t) d->class, (uint8_t) (d->class >> 8), (uint8_t) (d->class >> 16),
                [0x0e] = d->secondary_bus ? 1 : 0,
                [0x19] = d->secondary_bus,
        };

        if (d->secondary_bus == 0) {
                config[0x2c] = (uint8_t) d->subsystem_vendor;
                config[0x2d] = (uint8_t) (d->subsystem_vendor >> 8);
                config[0x2e] = (uint8_t) d->subsystem_device;
                config[0x2f] = (uint8_t) (d->subsystem_device >> 8);
        }
        return write_bytes(fd, "config", config, sizeof(config));
}

static int write_identity(int fd, const TreeDevice *d) {
        const struct {
                const char *name;
                unsigned digits, value;
        } numbers[] = {
                {"vendor", 4, d->vendor}, {"device", 4, d->device}, {"class", 6, d->class}, {"revision", 2, d->revision},
                {"subsystem_vendor", 4, d->subsystem_vendor}, {"subsystem_device", 4, d->subsystem_device},
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(numbers) && r >= 0; i++)
                r = write_text(fd, numbers[i].name, "0x%0*x\n", (int) numbers[i].digits, numbers[i].value);
        if (r < 0)
                return r;
        return write_text(fd, "modalias", "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X\n", d->vendor, d->device, d->subsystem_vendor,
                          d->subsystem_device, d->class >> 16 & 0xff, d->class >> 8 & 0xff, d->class & 0xff);
}

static int write_attributes(int fd, const TreeDevice *d) {
        int r = write_identity(fd, d);

        if (r >= 0)
                r = write_config(fd, d);
        if (r >= 0)
                r = write_text(fd, "driver_override", "%s\n", d->override ? d->override : "(null)");
        if (r >= 0)
                r = write_text(fd, "numa_node", "%d\n", d->numa_node);
        if (r >= 0)
                r = write_text(fd, "enable", "%d\n", d->driver ? 1 : 0);
        if (r >= 0)
                r = write_text(fd, "uevent", "PCI_SLOT_NAME=%s\n", d->address);
        if (r >= 0 && d->reset_methods)
                r = write_text(fd, "reset_method", "%s\n", d->reset_methods);
        if (r >= 0 && d->secondary_bus)
                r = write_text(fd, "secondary_bus_number", "%u\n", d->secondary_bus);
        if (r >= 0 && d->total_vfs)
                r = write_text(fd, "sriov_totalvfs", "%u\n", d->total_vfs);
        if (r >= 0 && d->total_vfs)
                r = write_text(fd, "sriov_numvfs", "0\n");
        return r;
}

/* Links a VF and its PF to each other and counts it. */
static int link_vf(int root_fd, const char *device_path, const char *physfn) {
        char pf_path[PATH_MAX], path[PATH_MAX], text[16];
        int r;

        r = find_device(root_fd, physfn, pf_path);
        if (r < 0)
                return r;
        r = format_path(path, "%s/physfn", device_path);
        if (r < 0)
                return r;
        r = make_link(root_fd, pf_path, path);
        if (r < 0)
                return r;

        r = -EEXIST;
        for (unsigned n = 0; r == -EEXIST; n++) {
                r = format_path(path, "%s/virtfn%u", pf_path, n);
                if (r >= 0)
                        r = make_link(root_fd, device_path, path);
                (void) snprintf(text, sizeof(text), "%u\n", n + 1);
        }
        return r < 0 ? r : treegen_set_attribute(root_fd, physfn, "sriov_numvfs", text);
}

static int make_device_directory(int root_fd, const TreeDevice *device, char path[static PATH_MAX]) {
        char parent[PATH_MAX];
        PciAddress address;
        int r;

        if (pci_address_parse(device->address, &address) < 0)
                return -EINVAL;
        r = device->parent ? find_device(root_fd, device->parent, parent)
                           : format_path(parent, "devices/pci%04x:%02x", address.domain, address.bus);
        if (r < 0)
                return r;
        r = make_directories(root_fd, parent);
        if (r < 0)
                return r;
        r = format_path(path, "%s/%s", parent, device->address);
        return r < 0 ? r : RET_NERRNO(mkdirat(root_fd, path, 0755));
}

static int make_device_links(int root_fd, const TreeDevice *device, const char *device_path) {
        char path[PATH_MAX];
        int r;

        r = format_path(path, "%s/subsystem", device_path);
        if (r < 0)
                return r;
        r = make_link(root_fd, "bus/pci", path);
        if (r < 0)
                return r;

        if (device->group != TREEGEN_NO_GROUP) {
                r = join_group(root_fd, device->group, device_path);
                if (r < 0)
                        return r;
        }
        if (device->physfn) {
                r = link_vf(root_fd, device_path, device->physfn);
                if (r < 0)
                        return r;
        }
        if (!device->driver)
                return 0;
        r = treegen_add_driver(root_fd, device->driver);
        return r < 0 && r != -EEXIST ? r : link_driver(root_fd, device_path, device->driver);
}

int treegen_add_device(int root_fd, const TreeDevice *device) {
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX], link[PATH_MAX];
        int r;

        r = make_device_directory(root_fd, device, path);
        if (r < 0)
                return r;
        fd = open_directory(root_fd, path);
        if (fd < 0)
                return fd;
        r = write_attributes(fd, device);
        if (r < 0)
                return r;
        r = make_device_links(root_fd, device, path);
        if (r < 0)
                return r;

        r = format_path(link, DEVICES "/%s", device->address);
        return r < 0 ? r : make_link(root_fd, path, link);
}

/* The PF counts its VFs until the last is gone (drivers/pci/iov.c, sriov_disable). */
static int forget_vfs(int root_fd, const char *pf_path) {
        char path[PATH_MAX], target[PATH_MAX];
        int r;

        for (unsigned n = 0; n < UINT8_MAX; n++) {
                r = format_path(path, "%s/virtfn%u", pf_path, n);
                if (r < 0)
                        return r;
                if (read_link(root_fd, path, target) >= 0)
                        return 0;
        }
        return treegen_set_attribute(root_fd, strrchr(pf_path, '/') + 1, "sriov_numvfs", "0\n");
}

/* Takes away the VF's link in its PF. The rest keeps its numbers, as when the kernel removes VFs one by one. */
static int unlink_vf(int root_fd, const char *device_path) {
        char pf_path[PATH_MAX], path[PATH_MAX], target[PATH_MAX];
        int r;

        r = format_path(path, "%s/physfn", device_path);
        if (r < 0)
                return r;
        r = read_link(root_fd, path, pf_path);
        if (r < 0)
                return r == -ENOENT ? 0 : r;

        for (unsigned n = 0; n < UINT16_MAX; n++) {
                r = format_path(path, "%s/virtfn%u", pf_path, n);
                if (r < 0)
                        return r;
                if (read_link(root_fd, path, target) >= 0 && strcmp(target, device_path) == 0)
                        return unlinkat(root_fd, path, 0) < 0 ? -errno : forget_vfs(root_fd, pf_path);
        }
        return -ENOENT;
}

int treegen_remove_device(int root_fd, const char *address) {
        static const char *const attributes[] = {"vendor", "device", "subsystem_vendor", "subsystem_device", "revision", "class", "modalias",
                                                 "numa_node", "driver_override", "reset_method", "secondary_bus_number", "sriov_totalvfs"};
        char device_path[PATH_MAX], path[PATH_MAX], driver[PATH_MAX];
        int r;

        r = find_device(root_fd, address, device_path);
        if (r < 0)
                return r;
        r = format_path(path, "%s/driver", device_path);
        if (r < 0)
                return r;
        if (read_link(root_fd, path, driver) >= 0) {
                r = treegen_unbind(root_fd, address, strrchr(driver, '/') + 1);
                if (r < 0)
                        return r;
        }
        r = unlink_vf(root_fd, device_path);
        if (r < 0)
                return r;

        r = format_path(path, DEVICES "/%s", address);
        if (r < 0)
                return r;
        if (unlinkat(root_fd, path, 0) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(attributes); i++) {
                r = format_path(path, "%s/%s", device_path, attributes[i]);
                if (r < 0)
                        return r;
                if (unlinkat(root_fd, path, 0) < 0 && errno != ENOENT)
                        return -errno;
        }
        r = leave_group(root_fd, device_path);
        return r < 0 ? r : remove_tree_at(root_fd, device_path);
}
