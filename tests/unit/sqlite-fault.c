/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sqlite-fault.h"

#include <check.h>
#include <sqlite3.h>

/* A VFS belongs to the process, and so does what goes wrong in it. */
static struct {
        sqlite3_vfs vfs;
        sqlite3_vfs *usual;
        SqliteFaultKind kind;
        unsigned long n; /* until the first failure; 0: not armed, or over */
        bool for_ever;
        bool fails; /* for ever, from now on */
        bool hit;
        int last_error;
} faults;

typedef struct FaultFile {
        sqlite3_file base;
        sqlite3_file *real; /* behind us */
} FaultFile;

const char *sqlite_fault_kind_to_string(SqliteFaultKind kind) {
        switch (kind) {
        case SQLITE_FAULT_IO:
                return "I/O error";
        case SQLITE_FAULT_FULL:
                return "disk full";
        case SQLITE_FAULT_READ_ONLY:
                return "read-only";
        case _SQLITE_FAULT_KIND_MAX:
                break;
        }
        return NULL;
}

typedef enum CallKind {
        CALL_READS,
        CALL_CHANGES,
        CALL_GROWS,
} CallKind;

static bool concerns(SqliteFaultKind kind, CallKind call) {
        switch (kind) {
        case SQLITE_FAULT_IO:
                return true;
        case SQLITE_FAULT_FULL:
                return call == CALL_GROWS;
        case SQLITE_FAULT_READ_ONLY:
                return call != CALL_READS;
        case _SQLITE_FAULT_KIND_MAX:
                break;
        }
        return false;
}

static bool call_fails(CallKind call) {
        static const int errors[_SQLITE_FAULT_KIND_MAX] = { EIO, ENOSPC, EROFS };

        if (!concerns(faults.kind, call) || (!faults.fails && (faults.n == 0 || --faults.n > 0)))
                return false;
        faults.fails = faults.for_ever;
        faults.hit = true;
        faults.last_error = errno = errors[faults.kind];
        return true;
}

/* What the usual VFS makes of a failed write, too. */
static int write_result(int otherwise) {
        return faults.kind == SQLITE_FAULT_FULL ? SQLITE_FULL : otherwise;
}

static sqlite3_file *real_of(sqlite3_file *file) {
        return ((FaultFile *) file)->real;
}

static int file_close(sqlite3_file *file) {
        return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read_some(sqlite3_file *file, void *buffer, int n, sqlite3_int64 offset) {
        return call_fails(CALL_READS) ? SQLITE_IOERR_READ : real_of(file)->pMethods->xRead(real_of(file), buffer, n, offset);
}

static int file_write_some(sqlite3_file *file, const void *buffer, int n, sqlite3_int64 offset) {
        return call_fails(CALL_GROWS) ? write_result(SQLITE_IOERR_WRITE) : real_of(file)->pMethods->xWrite(real_of(file), buffer, n, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
        return call_fails(CALL_CHANGES) ? SQLITE_IOERR_TRUNCATE : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int file_sync(sqlite3_file *file, int flags) {
        return call_fails(CALL_CHANGES) ? SQLITE_IOERR_FSYNC : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret) {
        return call_fails(CALL_READS) ? SQLITE_IOERR_FSTAT : real_of(file)->pMethods->xFileSize(real_of(file), ret);
}

static int file_lock_level(sqlite3_file *file, int level) {
        return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock_level(sqlite3_file *file, int level) {
        return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check_reserved(sqlite3_file *file, int *ret) {
        return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
        return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int file_sector_size(sqlite3_file *file) {
        return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_characteristics(sqlite3_file *file) {
        return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret) {
        return call_fails(CALL_READS) ? SQLITE_IOERR_SHMMAP : real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, ret);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
        return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *file) {
        real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int file_shm_unmap(sqlite3_file *file, int delete_flag) {
        return real_of(file)->pMethods->xShmUnmap(real_of(file), delete_flag);
}

static const sqlite3_io_methods methods = {
        .iVersion = 2, /* without memory-mapped pages, which nobody could make fail */
        .xClose = file_close,
        .xRead = file_read_some,
        .xWrite = file_write_some,
        .xTruncate = file_truncate,
        .xSync = file_sync,
        .xFileSize = file_size,
        .xLock = file_lock_level,
        .xUnlock = file_unlock_level,
        .xCheckReservedLock = file_check_reserved,
        .xFileControl = file_control,
        .xSectorSize = file_sector_size,
        .xDeviceCharacteristics = file_characteristics,
        .xShmMap = file_shm_map,
        .xShmLock = file_shm_lock,
        .xShmBarrier = file_shm_barrier,
        .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags) {
        FaultFile *f = (FaultFile *) file;
        int code;

        *f = (FaultFile) { .real = (sqlite3_file *) (f + 1) };
        if (call_fails(CALL_READS))
                return SQLITE_CANTOPEN;
        code = faults.usual->xOpen(faults.usual, name, f->real, flags, ret_flags);
        if (f->real->pMethods)
                f->base.pMethods = &methods;
        return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_directory) {
        return call_fails(CALL_CHANGES) ? SQLITE_IOERR_DELETE : faults.usual->xDelete(faults.usual, name, sync_directory);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret) {
        return call_fails(CALL_READS) ? SQLITE_IOERR_ACCESS : faults.usual->xAccess(faults.usual, name, flags, ret);
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *text) {
        return faults.last_error != 0 ? faults.last_error : faults.usual->xGetLastError(faults.usual, size, text);
}

void sqlite_fault_install(void) {
        faults.usual = sqlite3_vfs_find(NULL);
        ck_assert_ptr_nonnull(faults.usual);
        ck_assert_ptr_ne(faults.usual, &faults.vfs);
        faults.vfs = *faults.usual;
        faults.vfs.zName = "fault";
        faults.vfs.pNext = NULL;
        faults.vfs.szOsFile = (int) sizeof(FaultFile) + faults.usual->szOsFile;
        faults.vfs.xOpen = vfs_open;
        faults.vfs.xDelete = vfs_delete;
        faults.vfs.xAccess = vfs_access;
        faults.vfs.xGetLastError = vfs_last_error;
        ck_assert_int_eq(sqlite3_vfs_register(&faults.vfs, /* makeDflt= */ 1), SQLITE_OK);
}

void sqlite_fault_arm(SqliteFaultKind kind, unsigned long n, bool for_ever) {
        faults.kind = kind;
        faults.n = n;
        faults.for_ever = for_ever;
        faults.fails = false;
        faults.hit = false;
}

bool sqlite_fault_disarm(void) {
        faults.n = 0;
        faults.fails = false;
        faults.last_error = 0;
        return faults.hit;
}

bool sqlite_fault_has_hit(void) {
        return faults.hit;
}
