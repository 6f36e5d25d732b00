//! Why a whole ledger cannot be read. What is wrong with one row is a [`Problem`](super::Problem).

use std::io;

/// Why a file cannot be read as a ledger; Chinese first, then English, both with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No rows at all.
    #[error("文件中没有任何数据，请检查是否选错了文件 / the file holds no rows; check that it is the right one")]
    Empty,
    /// Neither text nor a workbook.
    #[error(
        "文件不是文本，也不是 .xlsx 工作簿，请另存为 CSV 或 .xlsx 后重试 / the file is neither text nor an .xlsx workbook; save it as CSV or .xlsx"
    )]
    NotText,
    /// Text in neither UTF-8 nor GB18030.
    #[error(
        "文本编码既不是 UTF-8 也不是 GB18030，请另存为“CSV UTF-8” / the text is neither UTF-8 nor GB18030; save it as “CSV UTF-8”"
    )]
    WrongEncoding,
    /// An `.xls`, or a workbook protected by a password (both are the same kind of file).
    #[error(
        "这是旧版 .xls 或加了密码的工作簿，请去掉密码并另存为 .xlsx / this is an old .xls or a workbook with a password; remove the password and save it as .xlsx"
    )]
    OldOrEncryptedWorkbook,
    /// The workbook is not complete, or contradicts itself.
    #[error(
        "工作簿已损坏（{reason}），请用表格软件打开后另存为 .xlsx / the workbook is damaged ({reason}); open it in a spreadsheet program and save it again"
    )]
    DamagedWorkbook {
        /// What is damaged.
        reason: String,
    },
    /// The workbook has no sheet of that name.
    #[error("工作簿里没有工作表“{name}”，现有：{known} / the workbook has no sheet “{name}”; it has: {known}")]
    SheetUnknown {
        /// The name given.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// A sheet was named, but the file is text.
    #[error(
        "文件不是工作簿，没有工作表，请去掉 --sheet / the file is no workbook and has no sheets; leave out --sheet"
    )]
    NoSheets,
    /// The workbook is larger inside than allowed.
    #[error(
        "工作簿解压后超过 {limit} 字节，请按村居拆分 / the workbook unpacks to more than {limit} bytes; split it by village"
    )]
    UnpacksTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is larger than allowed.
    #[error(
        "文件有 {bytes} 字节，超过上限 {limit}，请按村居拆分 / the file has {bytes} bytes, more than the limit of {limit}; split it by village"
    )]
    FileTooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More rows than allowed.
    #[error("行数超过上限 {limit}，请按村居拆分 / more than {limit} rows; split the file by village")]
    TooManyRows {
        /// The limit.
        limit: u64,
    },
    /// A row that does not end, most often because of one quotation mark too many.
    #[error(
        "第 {row} 行过长，多半是引号没有成对，请检查该行及上一行 / row {row} is too long, most likely for an unclosed quotation mark; check it and the row before"
    )]
    RowTooLong {
        /// Where it begins.
        row: u64,
    },
    /// No header row with the columns that a ledger needs.
    #[error(
        "找不到必需的列：{missing}；文件里有：{found}。请改列名，或用 --map 列=字段 指明 / required columns not found: {missing}; the file has: {found}; rename them or name them with --map column=field"
    )]
    MissingColumns {
        /// The columns that were not found.
        missing: String,
        /// The header that came closest.
        found: String,
    },
    /// Two headers mean the same column.
    #[error(
        "“{first}”和“{second}”是同一列，请删除或改名其中之一 / “{first}” and “{second}” are the same column; remove or rename one"
    )]
    DuplicateColumn {
        /// One header.
        first: String,
        /// The other.
        second: String,
    },
    /// The mapping names a header that the file does not have.
    #[error(
        "--map 指明的列“{header}”不在文件里；文件里有：{found} / the column “{header}” named with --map is not in the file; it has: {found}"
    )]
    MappedColumnAbsent {
        /// The header named.
        header: String,
        /// The headers there are.
        found: String,
    },
    /// Whoever took the rows asked to stop.
    #[error("读取已被中止 / reading was stopped")]
    Stopped,
    /// The file could not be read.
    #[error("无法读取文件：{0} / the file could not be read: {0}")]
    Io(#[from] io::Error),
}

impl LedgerError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotText => "not_text",
            Self::WrongEncoding => "wrong_encoding",
            Self::OldOrEncryptedWorkbook => "old_or_encrypted_workbook",
            Self::DamagedWorkbook { .. } => "damaged_workbook",
            Self::SheetUnknown { .. } => "sheet_unknown",
            Self::NoSheets => "no_sheets",
            Self::UnpacksTooLarge { .. } => "unpacks_too_large",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::TooManyRows { .. } => "too_many_rows",
            Self::RowTooLong { .. } => "row_too_long",
            Self::MissingColumns { .. } => "missing_columns",
            Self::DuplicateColumn { .. } => "duplicate_column",
            Self::MappedColumnAbsent { .. } => "mapped_column_absent",
            Self::Stopped => "stopped",
            Self::Io(_) => "io",
        }
    }
}
