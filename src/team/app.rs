//! The apps of Studio that can be opened directly.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::item::Attribute;

/// An app of Studio, by the name that its landing URI and `?app=` have for it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum App {
    /// Studio itself.
    #[serde(rename = "studio")]
    Studio,
    /// `JupyterLab`.
    JupyterLab,
    /// Code Editor, based on Code-OSS.
    CodeEditor,
    /// `JupyterServer`, the notebooks of Studio Classic.
    JupyterServer,
    /// `RStudio`.
    RStudioServerPro,
    /// Canvas.
    Canvas,
}

impl App {
    /// Every app, in the order in which people see them.
    pub const ALL: [Self; 6] = [
        Self::Studio,
        Self::JupyterLab,
        Self::CodeEditor,
        Self::JupyterServer,
        Self::RStudioServerPro,
        Self::Canvas,
    ];

    /// The name in addresses, items and landing URIs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Studio => "studio",
            Self::JupyterLab => "JupyterLab",
            Self::CodeEditor => "CodeEditor",
            Self::JupyterServer => "JupyterServer",
            Self::RStudioServerPro => "RStudioServerPro",
            Self::Canvas => "Canvas",
        }
    }

    /// The app of a name; case counts.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|app| app.name() == name)
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Studio => "Studio",
            Self::JupyterLab => "JupyterLab",
            Self::CodeEditor => "Code Editor",
            Self::JupyterServer => "Studio Classic",
            Self::RStudioServerPro => "RStudio",
            Self::Canvas => "Canvas",
        }
    }

    /// The landing URI
    /// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedDomainUrl.html>).
    pub fn landing_uri(self) -> String {
        match self {
            Self::Studio => "studio::".into(),
            app => format!("app:{}:", app.name()),
        }
    }
}

impl Attribute for App {
    const EXPECTED: &'static str =
        "one of studio, JupyterLab, CodeEditor, JupyterServer, RStudioServerPro, Canvas";

    fn parse(value: &Value) -> Option<Self> {
        Self::of_name(value.as_str()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_app_has_one_name_everywhere() {
        for app in App::ALL {
            assert_eq!(serde_json::to_value(app).unwrap(), app.name());
            assert_eq!(App::of_name(app.name()), Some(app));
            assert!(App::EXPECTED.contains(app.name()));
        }
        assert_eq!(App::of_name("jupyterlab"), None);
    }
}
