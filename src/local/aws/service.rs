//! The services, what they are called on the wire, and the dialects that they answer in.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    DynamoDb,
    SageMaker,
    Sts,
    Iam,
    Quotas,
    IdentityStore,
    SsoAdmin,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::SageMaker => "sagemaker",
            Self::Sts => "sts",
            Self::Iam => "iam",
            Self::Quotas => "servicequotas",
            Self::IdentityStore => "identitystore",
            Self::SsoAdmin => "sso",
        }
    }

    /// The XML namespace of the query protocol's answers.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            _ => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }

    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::SageMaker => Dialect::SageMaker,
            Self::DynamoDb | Self::IdentityStore | Self::Quotas | Self::SsoAdmin => Dialect::Json,
            Self::Sts | Self::Iam => Dialect::Query,
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::DynamoDb => "application/x-amz-json-1.0",
            Self::SageMaker | Self::IdentityStore | Self::Quotas | Self::SsoAdmin => {
                "application/x-amz-json-1.1"
            }
            Self::Sts | Self::Iam => "text/xml",
        }
    }
}

/// How the error is written: the services differ in codes, statuses and envelopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// JSON 1.1 of `SageMaker`: modelled names have no `Exception` suffix.
    SageMaker,
    /// JSON 1.1 of Identity Store, JSON 1.0 of `DynamoDB`.
    Json,
    /// The query protocol of STS: XML.
    Query,
}
