//! Generates the statements.

use super::{
    super::{
        mapping::{Mapping, Matching, Name, SaltColumn, TimeUnit},
        rows::{AccountRows, Filter, FilterTest, Flag, RowKey},
    },
    ColumnKind, Columns, Delete, MappingError, Planner, SqlSyntax, has_password, literal, qualified, quoted,
    times, unit,
    values::{as_text, bound, id_text, text, written},
};

impl Planner<'_> {
    pub(super) fn quoted(&self, name: &Name) -> String {
        quoted(self.syntax, name)
    }

    pub(super) fn table(&self) -> String {
        qualified(self.syntax, self.mapping.schema.as_ref(), &self.mapping.table)
    }

    pub(super) fn kind(&self, name: &Name) -> ColumnKind {
        self.columns.get(name.as_str()).map_or(ColumnKind::Other, |column| column.kind)
    }

    /// Returns a comparison of the column with the parameter `number`, which is bound as text.
    pub(super) fn equals(&self, name: &Name, kind: ColumnKind, number: usize) -> String {
        format!("{} = {}", self.quoted(name), bound(self.syntax, kind, number))
    }

    /// Returns the condition that finds a row by address.
    pub(super) fn matches(&self) -> String {
        let email = &self.mapping.email;
        let ignores_case = self.columns.get(email.as_str()).is_some_and(|column| column.ignores_case);
        let exact = ignores_case || self.mapping.matching == Matching::Exact;
        let column = if exact { self.quoted(email) } else { format!("lower({})", self.quoted(email)) };
        let parameter = if self.syntax == SqlSyntax::Postgres { "$1" } else { "?" };
        format!("{column} = {parameter}")
    }

    /// Returns the condition that excludes rows that do not count or log in by other means.
    pub(super) fn usable(&self, counts: Option<&str>) -> String {
        let mut conditions = vec![has_password(&self.quoted(&self.mapping.password))];
        if let SaltColumn::Named(salt) = &self.mapping.salt {
            conditions.push(without_salt(&self.quoted(salt)));
        }
        conditions.extend(counts.map(ToOwned::to_owned));
        format!(" AND {}", conditions.join(" AND "))
    }

    /// Returns each condition on rows that count, as the settings write it and as SQL.
    pub(super) fn filters(&self) -> Result<Vec<(String, String)>, MappingError> {
        let only = self.mapping.only.as_ref().map(|only| {
            let test = FilterTest::Is(only.value.clone());
            (Filter { column: only.column.clone(), test }, "provider")
        });
        let filters = self.mapping.filters.iter().cloned().map(|filter| (filter, "where")).chain(only);
        let sql = |(filter, setting): (Filter, _)| {
            Ok((filter.to_string(), self.condition(&filter, setting, self.columns)?))
        };
        filters.map(sql).collect()
    }

    /// Returns the condition for blocked rows.
    pub(super) fn blocked(&self) -> Option<String> {
        let flag = self.mapping.blocked.as_ref()?;
        let (then, otherwise) = if flag.blocked_when { (1, 0) } else { (0, 1) };
        Some(format!("CASE WHEN {} THEN {then} ELSE {otherwise} END = 1", self.is_set(flag)))
    }

    /// Returns the SQL of a filter on one of `columns`.
    fn condition(
        &self,
        filter: &Filter,
        setting: &'static str,
        columns: &Columns,
    ) -> Result<String, MappingError> {
        let name = self.quoted(&filter.column);
        let kind = columns.get(filter.column.as_str()).map_or(ColumnKind::Other, |column| column.kind);
        let is = |value: &str| {
            self.has_value(&name, kind, value).ok_or_else(|| MappingError::WrongType {
                setting: setting.to_owned(),
                column: filter.column.to_string(),
                declared: declared(columns, &filter.column),
                required: "of a type that can have the value of the condition",
            })
        };
        Ok(match &filter.test {
            FilterTest::Is(value) => is(value)?,
            FilterTest::IsNot(value) => format!("NOT COALESCE({}, false)", is(value)?),
            FilterTest::Null => format!("{name} IS NULL"),
            FilterTest::NotNull => format!("{name} IS NOT NULL"),
        })
    }

    /// Returns the condition that a column has a value from the settings; `None` if its type has no such value.
    fn has_value(&self, name: &str, kind: ColumnKind, value: &str) -> Option<String> {
        let truth = match value.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        let number = value.parse::<i64>().ok();
        Some(match kind {
            ColumnKind::Text => format!("{name} = {}", literal(self.syntax, value)),
            ColumnKind::Integer | ColumnKind::Unsigned | ColumnKind::Decimal => match (number, truth) {
                (Some(number), _) => format!("{name} = {number}"),
                (None, Some(truth)) => format!("{name} {} 0", if truth { "<>" } else { "=" }),
                (None, None) => return None,
            },
            ColumnKind::Boolean => format!("{name} = {}", truth.or(number.map(|number| number != 0))?),
            ColumnKind::Uuid | ColumnKind::Enumerated | ColumnKind::Binary | ColumnKind::Other => {
                format!("{} = {}", text(self.syntax, kind, name), literal(self.syntax, value))
            }
            ColumnKind::Instant | ColumnKind::LocalTime | ColumnKind::Date => return None,
        })
    }

    /// Returns the selected columns, under fixed names and with fixed types.
    pub(super) fn fields(&self) -> String {
        let Mapping { id, email, password, username, name, locale, document_id, verified, .. } = self.mapping;
        let case = |is_set: String, then, otherwise| {
            self.number(&format!("CASE WHEN {is_set} THEN {then} ELSE {otherwise} END"))
        };
        let blocked = match &self.mapping.blocked {
            None => self.number("0"),
            Some(flag) if flag.blocked_when => case(self.is_set(flag), 1, 0),
            // NULL counts as not active.
            Some(flag) => case(self.is_set(flag), 0, 1),
        };
        let verified =
            verified.as_ref().map_or_else(|| self.number("1"), |column| case(self.truth(column), 1, 0));
        let fields = [
            (id_text(self.syntax, self.kind(id), &self.quoted(id)), "id"),
            (self.text(Some(email)), "email"),
            (self.text(Some(password)), "password"),
            (self.text(username.as_ref()), "username"),
            (self.text(name.as_ref()), "name"),
            (self.text(locale.as_ref()), "locale"),
            (self.text(document_id.as_ref()), "document_id"),
            (blocked, "blocked"),
            (verified, "verified"),
            (self.millis(self.mapping.created_at.as_ref()), "created_at"),
            (self.millis(self.mapping.updated_at.as_ref()), "updated_at"),
        ];
        fields.map(|(value, name)| format!("{value} AS {name}")).join(", ")
    }

    fn text(&self, column: Option<&Name>) -> String {
        match column {
            None => as_text(self.syntax, "NULL"),
            Some(column) => text(self.syntax, self.kind(column), &self.quoted(column)),
        }
    }

    fn number(&self, value: &str) -> String {
        let number = if self.syntax == SqlSyntax::Mysql { "SIGNED" } else { "bigint" };
        format!("CAST({value} AS {number})")
    }

    /// Returns whether a flag is set, as a boolean expression. It may be NULL.
    fn is_set(&self, flag: &Flag) -> String {
        let name = self.quoted(&flag.column);
        match &flag.value {
            None => self.truth(&flag.column),
            // A value that the type cannot have never sets the flag.
            Some(value) => {
                self.has_value(&name, self.kind(&flag.column), value).unwrap_or_else(|| "false".to_owned())
            }
        }
    }

    /// Returns the column as a boolean expression.
    fn truth(&self, column: &Name) -> String {
        let name = self.quoted(column);
        match self.kind(column) {
            ColumnKind::Boolean => name,
            kind if kind.is_time() => format!("{name} IS NOT NULL"),
            _ => format!("{name} <> 0"),
        }
    }

    fn is_in_seconds(&self, column: &Name) -> bool {
        let column = self.columns.get(column.as_str());
        column
            .is_some_and(|column| column.kind.is_integer() && unit(self.mapping, column) == TimeUnit::Seconds)
    }

    /// Returns the column as milliseconds since the Unix epoch, 0 if it is NULL or not mapped.
    fn millis(&self, column: Option<&Name>) -> String {
        let Some(column) = column else { return self.number("0") };
        let name = self.quoted(column);
        let value = match (self.syntax, self.kind(column)) {
            (SqlSyntax::Sqlite, _) => times::millis(&name, self.mapping.time_unit),
            (_, kind) if kind.is_integer() && self.is_in_seconds(column) => {
                format!("{} * 1000", self.number(&name))
            }
            (_, kind) if kind.is_integer() => name,
            (SqlSyntax::Postgres, _) => format!("EXTRACT(EPOCH FROM {name}) * 1000"),
            (SqlSyntax::Mysql, ColumnKind::Instant) => format!("UNIX_TIMESTAMP({name}) * 1000"),
            (SqlSyntax::Mysql, _) => format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {name}) DIV 1000"),
        };
        self.number(&format!("COALESCE({value}, 0)"))
    }

    /// Returns the current time in the column's type.
    fn current_time(&self, column: &Name) -> String {
        let time = match (self.syntax, self.kind(column)) {
            (SqlSyntax::Sqlite, kind) => {
                return times::current(&self.table(), &self.quoted(column), kind, self.mapping.time_unit);
            }
            // Rounded down, because a time in the future could end the session that the reset begins.
            (SqlSyntax::Postgres, kind) if kind.is_integer() && self.is_in_seconds(column) => {
                "CAST(FLOOR(EXTRACT(EPOCH FROM now())) AS bigint)"
            }
            (SqlSyntax::Mysql, kind) if kind.is_integer() && self.is_in_seconds(column) => "UNIX_TIMESTAMP()",
            (SqlSyntax::Postgres, kind) if kind.is_integer() => {
                "CAST(EXTRACT(EPOCH FROM now()) * 1000 AS bigint)"
            }
            (SqlSyntax::Postgres, ColumnKind::Date) => "CAST(now() AT TIME ZONE 'UTC' AS date)",
            (SqlSyntax::Postgres, ColumnKind::LocalTime) => "now() AT TIME ZONE 'UTC'",
            (SqlSyntax::Postgres, _) => "now()",
            (SqlSyntax::Mysql, kind) if kind.is_integer() => "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS SIGNED)",
            (SqlSyntax::Mysql, ColumnKind::Date) => "UTC_DATE()",
            // Whole seconds: in a column without fractions MySQL would round up, into the future.
            (SqlSyntax::Mysql, ColumnKind::LocalTime) => "UTC_TIMESTAMP()",
            (SqlSyntax::Mysql, _) => "CURRENT_TIMESTAMP()",
        };
        time.to_owned()
    }

    pub(super) fn set_password(&self) -> String {
        let Mapping { id, password, updated_at, password_changed_at, token_version, stamp, .. } =
            self.mapping;
        let assign = |column: &Name, number| {
            format!("{} = {}", self.quoted(column), written(self.syntax, self.kind(column), number))
        };
        let mut set = vec![assign(password, 1)];
        set.extend(stamp.iter().map(|column| assign(column, 2)));
        for column in [updated_at, password_changed_at].into_iter().flatten() {
            set.push(format!("{} = {}", self.quoted(column), self.current_time(column)));
        }
        if let Some(version) = token_version {
            let version = self.quoted(version);
            set.push(format!("{version} = COALESCE({version}, 0) + 1"));
        }
        set.extend(self.mapping.cleared.iter().map(|column| {
            let nullable = self.columns.get(column.as_str()).is_none_or(|column| column.nullable);
            format!("{} = {}", self.quoted(column), if nullable { "NULL" } else { "''" })
        }));
        set.extend(self.mapping.emptied.iter().map(|column| format!("{} = ''", self.quoted(column))));
        let id = self.equals(id, self.kind(id), if stamp.is_some() { 3 } else { 2 });
        format!("UPDATE {} SET {} WHERE {id}", self.table(), set.join(", "))
    }

    /// Returns the statement that deletes an account's rows in another table with these columns.
    pub(super) fn delete(
        &self,
        rows: &AccountRows,
        setting: &'static str,
        columns: &Columns,
    ) -> Result<Delete, MappingError> {
        let schema = rows.schema.as_ref().or(self.mapping.schema.as_ref());
        let table = qualified(self.syntax, schema, &rows.table);
        if columns.is_empty() {
            return Err(MappingError::NoTable { setting, table });
        }
        if let Some(missing) = rows.columns().find(|name| !columns.contains_key(name.as_str())) {
            let (setting, column) = (setting.to_owned(), missing.to_string());
            return Err(MappingError::NoColumn { setting, table, column });
        }
        let kind = columns.get(rows.column.as_str()).map_or(ColumnKind::Other, |column| column.kind);
        let refers = match rows.key {
            RowKey::Id => self.refers_to_id(&rows.column, kind),
            RowKey::Email => (kind == ColumnKind::Text).then(|| self.refers_to_email(&rows.column)),
        };
        let refers = refers.ok_or_else(|| MappingError::WrongType {
            setting: setting.to_owned(),
            column: rows.column.to_string(),
            declared: declared(columns, &rows.column),
            required: "of a type that can hold what it is compared with: the values of users.id or users.email",
        })?;
        let mut conditions = vec![refers];
        for filter in &rows.filters {
            conditions.push(self.condition(filter, setting, columns)?);
        }
        let conditions = conditions.join(" AND ");
        Ok(Delete { setting, statement: format!("DELETE FROM {table} WHERE {conditions}"), table })
    }

    /// Returns the comparison of another table's column with the account's id, which is bound as text; `None` if the
    /// types cannot be compared.
    fn refers_to_id(&self, column: &Name, kind: ColumnKind) -> Option<String> {
        let name = self.quoted(column);
        let parameter = if self.syntax == SqlSyntax::Postgres { "$1" } else { "?" };
        match (self.kind(&self.mapping.id), kind) {
            (id, kind) if id == kind || (id.is_number() && kind.is_number()) => {
                Some(self.equals(column, kind, 1))
            }
            // Compared as text. MySQL casts text such as `550e8400-…` to the number 550, which would match another
            // account.
            (id, ColumnKind::Text) if id.is_number() || id == ColumnKind::Uuid => {
                Some(format!("{name} = {parameter}"))
            }
            (ColumnKind::Text, kind) if kind.is_number() || kind == ColumnKind::Uuid => {
                Some(format!("{} = {parameter}", as_text(self.syntax, &name)))
            }
            _ => None,
        }
    }

    /// Returns the comparison of another table's column with the account's address, without case.
    fn refers_to_email(&self, column: &Name) -> String {
        let lower = |column: &Name| match self.syntax {
            SqlSyntax::Postgres | SqlSyntax::Sqlite => format!("lower({})", self.quoted(column)),
            // The tables may have different collations.
            SqlSyntax::Mysql => {
                format!("CONVERT(lower({}) USING utf8mb4) COLLATE utf8mb4_bin", self.quoted(column))
            }
        };
        let Mapping { id, email, .. } = self.mapping;
        let id = self.equals(id, self.kind(id), 1);
        format!("{} = (SELECT {} FROM {} WHERE {id})", lower(column), lower(email), self.table())
    }
}

/// Returns the type of a column as the database names it.
fn declared(columns: &Columns, name: &Name) -> String {
    columns.get(name.as_str()).map(|column| column.declared.clone()).unwrap_or_default()
}

/// Returns the SQL condition for rows without a salt beside the hash.
pub(crate) fn without_salt(column: &str) -> String {
    format!("({column} IS NULL OR octet_length({column}) = 0)")
}
